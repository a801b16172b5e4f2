/** Runs the pod suites on Docker: a pod's behaviour, and that it outlives its agent, do not depend on the runtime. */
import { after, before, describe } from 'node:test';
import { clientLibrarySuite } from './client-library.suite.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { durabilitySuite } from './durability.suite.ts';
import { podSuite } from './pods.suite.ts';
import { proxySuite } from './proxies.suite.ts';
import { resizeSuite } from './resize.suite.ts';
import { runtimeFailureSuite } from './runtime-failure.suite.ts';
import { volumeSuite } from './volumes.suite.ts';

describe('a cluster on Docker', { timeout: 3_600_000 }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster('docker');
  });
  after(async () => {
    await cluster?.stop();
  });
  podSuite(() => cluster);
  resizeSuite(() => cluster);
  volumeSuite(() => cluster, 'docker');
  proxySuite(() => cluster);
  clientLibrarySuite(() => cluster);
  runtimeFailureSuite(() => cluster);
  durabilitySuite(() => cluster);
});
