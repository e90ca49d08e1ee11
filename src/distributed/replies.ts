/** What a script answers: text, numbers, null, and lists of them. */
export type Reply = string | number | null | Reply[]

export function asList(reply: unknown): Reply[] {
  if (!Array.isArray(reply)) throw new Error(`a script answered ${String(reply)}`)
  return reply
}
