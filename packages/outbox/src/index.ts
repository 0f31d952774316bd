export * from './publisher.ts'
