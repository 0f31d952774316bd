import { defineConfig } from 'vitest/config'

const folders = '{apps,packages,infra,scripts,load-tests}'
const never = ['**/node_modules/**', '.ironsys/**']

/** Three groups: what needs no server starts none, and what needs tools from outside is for `make verify`. */
export default defineConfig({
  test: {
    pool: 'forks',
    setupFiles: ['packages/testing/src/leak-check.ts'],
    // The machine that has to be enough has two cores, and the servers want some of it.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: [`${folders}/**/*.{unit,sim}.test.ts`],
          exclude: never,
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'servers',
          include: [`${folders}/**/*.{int,e2e}.test.ts`],
          exclude: never,
          globalSetup: ['packages/testing/src/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'tools',
          include: [`${folders}/**/*.tools.test.ts`],
          exclude: never,
          globalSetup: ['packages/testing/src/global-setup.ts'],
          testTimeout: 120_000,
          // The first run installs them.
          hookTimeout: 900_000,
        },
      },
    ],
  },
})
