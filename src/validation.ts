/** The parts of an Ajv or Fastify validation error that a message is made of. */
interface Problem {
  instancePath: string
  message?: string | undefined
  params?: Record<string, unknown>
}

/** One sentence a problem, each naming the field and, where it has one, the offending or allowed value. */
export function describeProblems(problems: readonly Problem[] | null | undefined, root: string): string {
  return (problems ?? [])
    .map(({ instancePath, message = 'is not valid', params = {} }) => {
      const { additionalProperty, allowedValues } = params
      if (typeof additionalProperty === 'string')
        return `${root}${instancePath}/${additionalProperty} is not known`
      const allowed = Array.isArray(allowedValues) ? `: ${allowedValues.join(', ')}` : ''
      return `${root}${instancePath} ${message}${allowed}`
    })
    .join('; ')
}
