/** Runs all suites on one lab with two workers on containerd, with the tools that its users have. */
import { after, before, describe } from 'node:test';
import { authorizationSuite } from './authorization.suite.ts';
import { badInputSuite } from './bad-input.suite.ts';
import { clientLibrarySuite } from './client-library.suite.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { deploymentSuite } from './deployments.suite.ts';
import { dnsSuite } from './dns.suite.ts';
import { durabilitySuite } from './durability.suite.ts';
import { helmSuite } from './helm.suite.ts';
import { helmChartSuite } from './helm-charts.suite.ts';
import { kubectlSuite } from './kubectl.suite.ts';
import { kubectlContainerSuite } from './kubectl-containers.suite.ts';
import { networkPolicySuite } from './network-policy.suite.ts';
import { nodeFailureSuite } from './node-failure.suite.ts';
import { podSuite } from './pods.suite.ts';
import { proxySuite } from './proxies.suite.ts';
import { resizeSuite } from './resize.suite.ts';
import { runtimeFailureSuite } from './runtime-failure.suite.ts';
import { schedulingSuite } from './scheduling.suite.ts';
import { serviceSuite } from './services.suite.ts';
import { staticPodSuite } from './static-pods.suite.ts';
import { storageSuite } from './storage.suite.ts';
import { tourSuite } from './tour.suite.ts';
import { volumeSuite } from './volumes.suite.ts';
import { workloadSuite } from './workloads.suite.ts';

describe('a cluster on containerd', { timeout: 3_600_000 }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(async () => {
    await cluster?.stop();
  });
  kubectlSuite(() => cluster);
  kubectlContainerSuite(() => cluster);
  authorizationSuite(() => cluster);
  badInputSuite(() => cluster);
  podSuite(() => cluster);
  resizeSuite(() => cluster);
  staticPodSuite(() => cluster);
  volumeSuite(() => cluster, 'containerd');
  storageSuite(() => cluster);
  proxySuite(() => cluster);
  schedulingSuite(() => cluster);
  serviceSuite(() => cluster);
  dnsSuite(() => cluster);
  networkPolicySuite(() => cluster);
  deploymentSuite(() => cluster);
  workloadSuite(() => cluster);
  helmSuite(() => cluster);
  helmChartSuite(() => cluster);
  clientLibrarySuite(() => cluster);
  tourSuite(() => cluster);
  // These suites run last, because they break the cluster.
  runtimeFailureSuite(() => cluster);
  durabilitySuite(() => cluster);
  nodeFailureSuite(() => cluster);
});
