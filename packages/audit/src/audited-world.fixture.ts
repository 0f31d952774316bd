/** A fresh {@link createWorld} for each test of a file, what an audit says of it, and tables of damages. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AuditOptions, runAudit } from './audit.ts'
import type { AuditReport } from './report.ts'
import { createWorld, type World } from './world.fixture.ts'

/** What is changed by hand, how, and the findings that must be among those of the audit, each from its beginning. */
export type Damage = readonly [what: string, sql: string, ...expected: string[]]

export interface AuditedWorld {
  readonly world: World
  audit(options?: Partial<AuditOptions>): Promise<AuditReport>
  /** `check: subject: detail`, in order. */
  findings(options?: Partial<AuditOptions>): Promise<readonly string[]>
  /** Puts in what names in braces stand for: `{a}`, `{first}`, … are what the world made. */
  filled(text: string): string
}

/** Call it at the top of a file. `fill` adds to the world, and its ids to the names that {@link AuditedWorld.filled} knows. */
export function useWorld(
  fill: (world: World) => Promise<Readonly<Record<string, string>>> = async () => ({}),
): AuditedWorld {
  let world: World
  let added: Readonly<Record<string, string>>
  beforeEach(async () => {
    world = await createWorld()
    added = await fill(world)
  })
  afterEach(async () => {
    await world?.close()
  })
  const audit = (options: Partial<AuditOptions> = {}) => {
    const quick = { snapshotWaitMs: 100, snapshotLooks: 2, bookingWaitMs: 100, bookingLooks: 2 }
    return runAudit({ ...world, nowMs: () => 0 }, { ...quick, ...options })
  }
  return {
    get world() {
      return world
    },
    audit,
    findings: async (options) => {
      const { findings } = await audit(options)
      return findings.map(({ check, subject, detail }) => `${check}: ${subject}: ${detail}`)
    },
    filled: (text) => {
      const names = new Map<string, unknown>(Object.entries({ ...world, ...added }))
      return text.replace(/\{(\w+)\}/g, (whole, name) => String(names.get(name) ?? whole))
    },
  }
}

export function describeDamages(where: string, damages: readonly Damage[], audited: AuditedWorld): void {
  describe(`changed by hand in ${where}`, () => {
    test.each(damages)('%s is named', async (_what, sql, ...expected) => {
      await audited.world.pool.query(audited.filled(sql))
      const said = await audited.findings()
      for (const line of expected) {
        expect(said).toContainEqual(expect.stringMatching(startingWith(audited.filled(line))))
      }
    })
  })
}

function startingWith(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`)
}
