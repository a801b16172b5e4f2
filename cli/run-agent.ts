/** Runs `tinker agent`: turns flags into options and signals into an abort; also `--cleanup`. */
import { type AgentOptions, runAgent } from '#agent/agent.ts';
import { nodeResolvConf } from '#agent/dns/resolv-conf.ts';
import { execFile } from '#agent/host/exec.ts';
import { execSysctl } from '#agent/host/sysctl.ts';
import { createPolicyTable } from '#agent/network-policy/nft.ts';
import { removeServiceRules } from '#agent/proxy/backends.ts';
import { errorText } from '#api/error-text.ts';
import { systemClock } from '#client/clock.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { checkAddress, checkFolder, checkNodeName } from './checks.ts';
import type { AgentFlags } from './cluster-flags.ts';
import { checkLogLevel, runDaemon } from './daemon.ts';
import { enroll, enrollmentOf } from './enrollment.ts';
import { kubeletAuth } from './kubelet-auth-flags.ts';
import { addressTowards, checkNodeIps } from './node-ip.ts';

const defaultEndpoints: Record<string, string> = {
  containerd: 'unix:///run/containerd/containerd.sock',
  docker: 'unix:///run/docker.sock',
};

/** Runs the agent until it is told to stop. @throws Error when it cannot start */
export async function agent(flags: AgentFlags): Promise<void> {
  if (flags.cleanup === true) return cleanUp();
  const runtime = flags.containerRuntime;
  if (runtime !== 'containerd' && runtime !== 'docker')
    throw new Error(`--container-runtime ${runtime}: give containerd or docker`);
  checkNodeName('--hostname-override', flags.hostnameOverride);
  checkLogLevel(flags.logLevel);
  const enrollment = enrollmentOf(flags);
  checkFolder('--root-dir', flags.rootDir);
  const dnsAddresses = flags.dnsAddress.map((address) => checkAddress('--dns-address', address));
  const resolvConf = flags.resolvConf ?? (await nodeResolvConf());
  const givenIps = flags.nodeIp === undefined ? undefined : checkNodeIps(flags.nodeIp);
  const { podNetwork } = flags;
  if (podNetwork !== 'auto' && podNetwork !== 'vxlan' && podNetwork !== 'none')
    throw new Error(`--pod-network ${podNetwork}: give auto, vxlan or none`);
  checkRoot();
  await runDaemon('agent', flags.logLevel, flags.rootDir, async ({ log, ready, signal, metrics }) => {
    const staticPods = await staticPodsOf(flags);
    if (!(await enroll(enrollment, flags.hostnameOverride, { clock: systemClock, log, signal }))) return;
    const nodeIps = givenIps ?? [await addressTowards(loadKubeconfig(enrollment.files.kubeconfig).server)];
    const running = runAgent(
      {
        ...flags,
        ...enrollment.files,
        credentials: enrollment.credentials,
        runtime,
        runtimeEndpoint: flags.containerRuntimeEndpoint ?? (defaultEndpoints[runtime] as string),
        nodeName: flags.hostnameOverride,
        nodeIp: nodeIps[0] ?? '',
        nodeIps,
        podNetwork,
        networkPolicy: flags.networkPolicy ?? podNetwork !== 'none',
        syncFrequencyMs: flags.syncFrequency,
        staticPods,
        dnsAddresses,
        resolvConf,
        sandboxImage: flags.podInfraContainerImage,
        clusterDns: checkAddress('--cluster-dns', flags.clusterDns),
        kubeletAuth: kubeletAuth(flags),
        metrics,
      },
      log,
      signal,
    );
    // A failure in this turn of the event loop (a kubeconfig that cannot be read) means that the agent cannot start.
    await Promise.race([running, new Promise((resolve) => setImmediate(resolve))]);
    ready();
    await running;
  });
}

/** The API's rules for pods take memory: they are read only where there are manifests. */
async function staticPodsOf({ podManifestPath: path = '', fileCheckFrequency }: AgentFlags): Promise<AgentOptions['staticPods']> {
  if (path === '') return undefined;
  const { podManifests } = await import('./pod-manifest.ts');
  return { path, checkFrequencyMs: fileCheckFrequency, manifests: podManifests };
}

/** Like `kube-proxy --cleanup`, and removes the rules of network policies. @throws Error when rules could not be removed */
async function cleanUp(): Promise<void> {
  checkRoot();
  const warn = (message: string): void => void process.stderr.write(`tinker: ${message}\n`);
  await removeServiceRules({ exec: execFile, sysctl: execSysctl(execFile), clock: systemClock, warn });
  await createPolicyTable(execFile)
    .remove()
    .catch((error: unknown) => warn(`the rules of network policies could not be removed: ${errorText(error)}`));
}

function checkRoot(): void {
  if (process.geteuid?.() !== 0)
    throw new Error('a node needs root, for mounts, namespaces and iptables: run it with sudo, or as a system service');
}
