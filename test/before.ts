// Run by tap before all test files: system tests start the built program, which must not be older than its sources.
import { newerSource } from './build-age.ts'

if (newerSource()) await import(new URL('../scripts/build.mjs', import.meta.url).href)
