export * from './dead-letter.ts'
export * from './dead-letters.ts'
