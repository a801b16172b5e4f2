/**
 * Loaded before every test file of `npm test`. Property-based tests then use the same inputs in each run, so that their result
 * does not depend on chance. TINKER_TEST_SEED selects other inputs: a number, or `random`.
 */
import { isMainThread } from 'node:worker_threads';

const seed = process.env['TINKER_TEST_SEED'] ?? '1';
// Worker threads load this file too, and have no tests.
if (isMainThread && seed !== 'random') {
  const { configureGlobal } = await import('fast-check');
  configureGlobal({ seed: Number(seed) });
}
