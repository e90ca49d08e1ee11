/** A hook of node's: the built thread of a store in place of its source. */
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context)
  const url = resolved.url.replace(/\/src\/embedded\/store-thread\.ts$/, '/dist/src/embedded/store-thread.js')
  return url === resolved.url ? resolved : { ...resolved, url, format: 'module' }
}
