import { type Browser, chromium } from 'playwright-core'

/** Debian's Chromium, headless and without connections of its own. */
export const startChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync'
    ]
  })
