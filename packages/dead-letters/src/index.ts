export * from './dead-letter.ts'
export * from './dead-letters.ts'
export * from './home.ts'
