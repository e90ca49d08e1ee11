import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { within } from '../src/timers.ts'

/** Waits up to SCRAPE_LINGER for one more scrape, because the counts of a process's last seconds would be lost. */
async function scrapeLingerPlugin(app: FastifyInstance) {
  const lingerMs = app.config.SCRAPE_LINGER * 1000
  if (lingerMs === 0) return
  let scraped = () => {}
  app.addHook('onResponse', async (request) => {
    if (request.routeOptions.url === '/metrics' && request.method === 'GET') scraped()
  })
  app.shutdown.beforeExit('waiting for a scrape', async () => {
    app.log.info({ seconds: app.config.SCRAPE_LINGER }, 'waiting for one more scrape of the metrics')
    const lastScrape = new Promise<void>((resolve) => {
      scraped = resolve
    })
    const seen = await within(lingerMs, lastScrape)
    app.log.info(seen ? 'the metrics were scraped' : 'the metrics were not scraped in time')
  })
}

export default fp(scrapeLingerPlugin, {
  name: 'scrape-linger',
  fastify: '5.x',
  dependencies: ['shutdown', 'metrics', 'tasks']
})
