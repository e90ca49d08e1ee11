/** The parts of an Ajv or Fastify validation error that a message is made of. */
interface Problem {
  keyword: string
  instancePath: string
  message?: string | undefined
  params?: Record<string, unknown>
}

// The message quotes the client's own text.
const maxLength = 1000

/** One sentence for each problem, naming the field and, where there is one, the offending or allowed value. */
export function describeProblems(problems: readonly Problem[] | null | undefined, root: string): string {
  return (problems ?? [])
    .map(({ keyword, instancePath, message = 'is not valid', params = {} }) => {
      if (keyword === 'if') return '' // says only that one of its branches failed, which says why itself
      if (keyword === 'not') return `${root}${instancePath} is not allowed here`
      const { additionalProperty, allowedValues } = params
      if (typeof additionalProperty === 'string')
        return `${root}${instancePath}/${additionalProperty} is not known`
      const allowed = Array.isArray(allowedValues) ? `: ${allowedValues.join(', ')}` : ''
      return `${root}${instancePath} ${message}${allowed}`
    })
    .filter((problem) => problem !== '')
    .join('; ')
    .slice(0, maxLength)
}

/** Calls `make` on first use: compiling every schema at the start would slow it down. */
export function onFirstUse<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
