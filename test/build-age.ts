import { readdirSync, statSync } from 'node:fs'

const root = new URL('../', import.meta.url)
// What an image would run, not the sources.
export const program = new URL('dist/src/server.js', root)

/** A source that is newer than the program; undefined if there is none. */
export function newerSource(): string | undefined {
  const built = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return (
    ['src', 'plugins', 'routes', 'ui']
      .flatMap((folder) =>
        readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' }).map(
          (name) => new URL(`${folder}/${name}`, root).pathname
        )
      )
      // The build makes ui/vendor itself.
      .filter((path) => /\.(ts|js|css|html)$/.test(path) && !path.includes('/ui/vendor/'))
      .find((path) => statSync(path).mtimeMs > built)
  )
}
