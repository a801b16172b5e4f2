/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richTemplate as template } from '../pod/sample.testing.ts';

export const samples = { replicationcontrollers: { spec: { selector: { app: 'web' }, template, replicas: 2 } } };
