/**
 * Loaded before every file of `npm test`: property-based tests then take the same inputs in each run, so that whether one passes is no
 * matter of luck. TINKER_TEST_SEED names other inputs: a number, or `random`.
 */
import { isMainThread } from 'node:worker_threads';

const seed = process.env['TINKER_TEST_SEED'] ?? '1';
// Worker threads load this too, and have no tests.
if (isMainThread && seed !== 'random') {
  const { configureGlobal } = await import('fast-check');
  configureGlobal({ seed: Number(seed) });
}
