/** What a browser makes of us: the pages of the reference without any other host, and its own EventSource. */
import { findFreePorts, obtainProgram } from '@ironsys/local'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

const deadline = { timeout: 20_000, interval: 100 }

let system: TestSystem
let browser: Browser
let api: TestApp
let client: Client
let page: Page
/** What the pages asked of others than the API, what of it their own policy refused before it left, and their complaints. */
let foreign: string[]
let refused: string[]
let complaints: string[]

beforeAll(async () => {
  const report = (line: string) => void process.stderr.write(`${line}\n`)
  const program = await obtainProgram('chromium', { what: 'Chromium', packages: ['chromium'] }, report)
  system = await startSystem()
  await Promise.all([startApi(), system.startWorker()])
  // No name but the loopback's address can be resolved.
  const args = ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--disable-quic']
  browser = await chromium.launch({ executablePath: program, args, timeout: 60_000 })
})

afterAll(async () => {
  await browser?.close()
  await system?.close()
})

beforeEach(async () => {
  page = await browser.newPage()
  foreign = []
  refused = []
  complaints = []
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== api.url)
      foreign.push(request.url())
  })
  page.on('requestfailed', (request) => {
    if (request.failure()?.errorText === 'csp') refused.push(request.url())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    const isRefusal = message.text().includes('violates the following Content Security Policy directive')
    if (message.type() === 'error' && !isRefusal) complaints.push(message.text())
  })
})

afterEach(async () => {
  await page?.close()
})

async function startApi(port?: string): Promise<void> {
  const [free = 0] = await findFreePorts(1)
  api = await system.startApi({ PORT: port ?? `${free}` })
  client = createClient(api.url)
}

describe('shows', () => {
  test('/docs, with every route, from nowhere else', async () => {
    await page.goto(`${api.url}/docs`)
    await page.getByText('Create a slot').first().waitFor(deadline)
    const shown = await page.locator('.opblock').count()
    const { body } = await client.call<{ paths: Record<string, object> }>('GET', '/openapi.json')
    const described = Object.values(body.paths).flatMap((path) => Object.keys(path))
    expect(shown).toBe(described.length)
    expect([foreign, complaints]).toEqual([[], []])
    // Its policy is there, though nothing needs it.
    await page.evaluate(`void (new Image().src = 'http://localhost:1/')`)
    await vi.waitFor(() => expect(refused).toEqual(['http://localhost:1/']), deadline)
  })

  test('/redoc, from nowhere else', async () => {
    await page.goto(`${api.url}/redoc`)
    await page.getByRole('heading', { name: 'bookings' }).first().waitFor(deadline)
    await page.getByText('/slots/{id}/audit').first().waitFor(deadline)
    // Its maker's logo is the only thing it asks for, and does not get.
    const logos = foreign.filter((url) => url.endsWith('/logo-mini-full.svg'))
    await vi.waitFor(() => expect(refused).toEqual(logos), deadline)
    expect([foreign, complaints]).toEqual([logos, []])
  })
})

describe('EventSource', () => {
  /** What it was sent, as the units left. */
  async function listen(slotId: string): Promise<() => Promise<unknown>> {
    // Any page of the API's own origin will do.
    await page.goto(`${api.url}/docs`)
    await page.evaluate(`
      shown = []
      source = new EventSource('/slots/${slotId}/events')
      source.addEventListener('snapshot', ({ data }) => shown.push(JSON.parse(data).available))`)
    return () => page.evaluate('shown')
  }

  test('sees the slot, and then what becomes of it', async () => {
    const slotId = await client.createSlot(2)
    const shown = await listen(slotId)
    await vi.waitFor(async () => expect(await shown()).toEqual([2]), deadline)
    await client.reserve(slotId)
    await vi.waitFor(async () => expect(await shown()).toEqual([2, 1]), deadline)
  })

  test.each(['SIGTERM', 'SIGKILL'] as const)('goes on where it was after %s', async (signal) => {
    const slotId = await client.createSlot(4)
    const shown = await listen(slotId)
    await vi.waitFor(async () => expect(await shown()).toEqual([4]), deadline)
    await client.reserve(slotId)
    await vi.waitFor(async () => expect(await shown()).toEqual([4, 3]), deadline)
    await api.end(signal)
    await vi.waitFor(async () => expect(await page.evaluate('source.readyState')).toBe(0), deadline)
    await startApi(new URL(api.url).port)
    await vi.waitFor(async () => expect(await page.evaluate('source.readyState')).toBe(1), deadline)
    await client.reserve(slotId)
    // What it had it is not sent again: it told by Last-Event-ID.
    await vi.waitFor(async () => expect(await shown()).toEqual([4, 3, 2]), deadline)
  })
})
