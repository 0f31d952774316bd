export * from './pool.ts'
export * from './waitlist.ts'
