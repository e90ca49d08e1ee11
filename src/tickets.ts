import { createHmac, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const purpose = 'lastcall stream ticket'

/**
 * The secret that all processes with the same tokens share. Slow on purpose: a ticket that leaks must not be a cheap way
 * to try out guesses at a token.
 */
export async function deriveSecret(tokens: readonly string[]): Promise<Buffer> {
  return promisify<string, string, number, Buffer>(scrypt)([...tokens].sort().join('\n'), purpose, 32)
}

/** A ticket lets its holder read one task for a while. It is an expiry and a signature, so nothing needs to be stored. */
export class Tickets {
  readonly #secret: Buffer
  readonly #ttlMs: number

  constructor(secret: Buffer, ttlMs: number) {
    this.#secret = secret
    this.#ttlMs = ttlMs
  }

  issue(taskId: string): { ticket: string; expiresAt: Date } {
    // By the wall clock, because other processes have to agree.
    const expiresAt = Math.ceil(Date.now() + this.#ttlMs)
    const expiry = expiresAt.toString(36)
    return {
      ticket: `${expiry}.${this.#sign(taskId, expiry).toString('base64url')}`,
      expiresAt: new Date(expiresAt)
    }
  }

  isValid(taskId: string, ticket: string): boolean {
    const [, expiry = '', signature = ''] = /^([0-9a-z]{1,11})\.([\w-]{43})$/.exec(ticket) ?? []
    const isGenuine = timingSafeEqual(
      this.#sign(taskId, expiry),
      Buffer.concat([Buffer.from(signature, 'base64url')], 32)
    )
    return isGenuine && Number.parseInt(expiry, 36) > Date.now()
  }

  #sign(taskId: string, expiry: string): Buffer {
    return createHmac('sha256', this.#secret).update(`${purpose}\0${taskId}\0${expiry}`).digest()
  }
}
