import t from 'tap'
import { parseApiTokens, tokenFinder } from '../../src/tokens.ts'

t.test('entries are tokens, with or without a name', async (t) => {
  t.strictSame(parseApiTokens(' one , shop:two,, '), [{ token: 'one' }, { name: 'shop', token: 'two' }])
})

t.test('a token may contain colons', async (t) => {
  t.strictSame(parseApiTokens('shop:a:b'), [{ name: 'shop', token: 'a:b' }])
})

t.test(
  'a list without a token is refused, and so is an incomplete entry, which is not repeated',
  async (t) => {
    for (const text of ['', ' , ', 'good,:secret', 'shop:'])
      t.throws(() => parseApiTokens(text), { name: 'StartError', message: /^API_TOKENS(?!.*secret)/ }, text)
  }
)

t.test('only an equal token is found', async (t) => {
  const find = tokenFinder(parseApiTokens('one,shop:two'))

  t.strictSame(find('two'), { name: 'shop', token: 'two' })
  for (const candidate of ['tw', 'two ', 'TWO', '']) t.equal(find(candidate), undefined)
})
