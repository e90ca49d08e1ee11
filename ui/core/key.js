/** An idempotency key. `crypto.randomUUID` is there only where the page came by HTTPS or from localhost. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-')
