import { once } from 'node:events'
import { startApp, startServer, urlOf } from '../helper.ts'
import { freePort, needsRedis, startRedis } from '../redis.ts'
import { pageTest } from './browser.ts'

pageTest('a lost server is noticed, and so is its return', async (t, open) => {
  const env = { PORT: String(await freePort()), TASK_STORE_URL: `sqlite:${t.testdir({})}/tasks.db` }
  const server = await startServer(t, env)
  const page = await open(server.url, { expected: /./ })
  await page.getByRole('heading', { name: 'Tasks' }).waitFor()
  const banner = page.getByText('The service cannot be reached')
  t.equal(await banner.count(), 0)

  server.child.kill('SIGKILL')
  await once(server.child, 'exit')
  await banner.waitFor({ timeout: 5_000 })
  await startServer(t, env)

  await banner.waitFor({ state: 'detached' })
})

pageTest(
  'a store that does not answer is noticed, and so is its return',
  async (t, open) => {
    const redis = await startRedis(t)
    const app = await startApp(t, { env: { TASK_STORE_URL: redis.url } })
    const page = await open(urlOf(app), { expected: /503/ })
    await page.getByText('Nothing here yet').waitFor()
    const banner = page.getByText('The store does not answer')
    t.equal(await banner.count(), 0)

    redis.signal('SIGSTOP')
    await banner.waitFor()
    redis.signal('SIGCONT')

    await banner.waitFor({ state: 'detached' })
  },
  needsRedis()
)

pageTest('with API_TOKENS the page asks for a token, and says when it is wrong', async (t, open) => {
  const app = await startApp(t, { env: { API_TOKENS: 'shop:secret' } })
  const page = await open(urlOf(app), { expected: /401/ })

  await page.getByLabel('Token').fill('guess')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('does not know this token').waitFor()
  await page.getByLabel('Token').fill('secret')
  await page.getByRole('button', { name: 'Continue' }).click()

  await page.getByRole('heading', { name: 'Tasks' }).waitFor()
  t.equal(await page.evaluate('localStorage.length'), 0, 'it is kept for the tab only')
  t.notMatch(page.url(), 'secret')
})
