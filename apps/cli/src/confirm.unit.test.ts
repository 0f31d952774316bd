import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { UsageFault } from './command.ts'
import { confirmed } from './confirm.ts'

const question = 'Discard 3 dead letters for good?'

/** What somebody at a terminal leads to by pressing these keys. */
async function pressing(keys: string) {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const output = Object.assign(new PassThrough(), { isTTY: true })
  const said = text(output)
  input.write(keys)
  const answer = await confirmed({ question, yes: false }, { input, output })
  output.end()
  return { answer, said: await said }
}

test.each(['y\r', 'Y\r', ' yes \r', 'YES\n'])('%j is a yes', async (keys) => {
  const { answer, said } = await pressing(keys)
  expect(answer).toBe(true)
  expect(said).toContain(`${question} [y/N]`)
  expect(said).not.toContain('nothing was changed')
})

test.each(['\r', 'n\r', 'yess\r', 'y\u0003', '\u0003', '\u0004'])('%j is a no, and says so', async (keys) => {
  const { answer, said } = await pressing(keys)
  expect(answer).toBe(false)
  expect(said).toMatch(/nothing was changed\n$/)
})

test('a terminal that goes away is a no', async () => {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const asked = confirmed({ question, yes: false }, { input, output: new PassThrough() })
  input.end()
  expect(await asked).toBe(false)
})

test('with --yes nobody is asked; without a terminal it says how to agree', async () => {
  const nowhere = { input: new PassThrough(), output: new PassThrough() }
  expect(await confirmed({ question, yes: true }, nowhere)).toBe(true)
  const asked = confirmed({ question, yes: false }, nowhere)
  await expect(asked).rejects.toEqual(new UsageFault(`${question} Nobody can be asked here: add --yes`))
})
