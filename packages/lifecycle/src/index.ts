export * from './closers.ts'
export * from './process.ts'
