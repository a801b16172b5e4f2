/**
 * Defines `tinker server`, `tinker agent` and the commands that prepare machines for them. Flags have the names of upstream's
 * components.
 */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { addAuditFlags } from './audit-flags.ts';
import { addAuthenticationFlags } from './authentication-flags.ts';
import { addAuthorizationFlags } from './authorization-flags.ts';
import { checkAddress, checkFolder, checkNodeName } from './checks.ts';
import type { AgentFlags, ServerFlags } from './cluster-flags.ts';
import { addEncryptionFlags } from './encryption-flags.ts';
import { addEtcdFlags } from './etcd-flags.ts';
import { boolean, cidr, count, durationMs, port, portRange, proxyMode, ratio } from './flags.ts';
import { addJoinFlags } from './join-flags.ts';
import { defaultServerDataDir } from './kubeconfig-path.ts';
import { addKubeletAuthFlags } from './kubelet-auth-flags.ts';
import { addLeadershipFlags } from './leadership-flags.ts';
import { addServiceAccountFlags } from './service-account-flags.ts';

/** Adds the commands to `program`. */
export function createClusterCommands(program: Command): void {
  serverCommand(program);
  agentCommand(program);
  program
    .command('node-credentials <name>')
    .description("write a node's kubeconfig and serving certificate, signed by this control plane's CA")
    .requiredOption('--node-ip <address>', 'the address that the node serves its kubelet API on')
    .requiredOption('--server <url>', 'the API server as the node reaches it')
    .requiredOption('--out <folder>', 'receives kubelet.conf, kubelet.crt, kubelet.key and ca.crt')
    .option('--data-dir <path>', "the control plane's files", defaultServerDataDir)
    .action(async (nodeName: string, flags: { nodeIp: string; server: string; out: string; dataDir: string }) => {
      const pkiFolder = `${flags.dataDir}/pki`;
      // Without this check, signing would make a new CA that no server trusts.
      if (!existsSync(`${pkiFolder}/ca.key`)) {
        throw new Error(
          `--data-dir ${flags.dataDir}: no cluster CA here (pki/ca.key); run this where "tinker server" runs, with its --data-dir`,
        );
      }
      checkAddress('--node-ip', flags.nodeIp);
      checkNodeName('node-credentials', nodeName);
      if (!URL.canParse(flags.server) || new URL(flags.server).protocol !== 'https:')
        throw new Error(`--server ${flags.server}: give a URL such as https://10.0.0.1:6443`);
      checkFolder('--out', flags.out);
      const { nodeCredentials } = await import('#control/pki/node-credentials.ts');
      await nodeCredentials({ ...flags, pkiFolder, nodeName, nowMs: Date.now() });
    });
  program
    .command('containerd-config')
    .description('print a containerd configuration for a node of this cluster')
    .option('--cni-conf-dir <path>', 'where the agent writes the pod network', '/etc/cni/net.d')
    .option('--cni-bin-dir <path>', "Debian's containernetworking-plugins", defaultCniBinDir)
    .action(async (flags: { cniConfDir: string; cniBinDir: string }) => {
      const { containerdConfig } = await import('#agent/runtime/cri/containerd-config.ts');
      const { hasCapability } = await import('#agent/host/capabilities.ts');
      const restrictOomScoreAdj = !hasCapability('CAP_SYS_RESOURCE');
      const paths = { root: '/var/lib/containerd', state: '/run/containerd', socket: '/run/containerd/containerd.sock' };
      process.stdout.write(containerdConfig({ ...paths, ...flags, sandboxImage: defaultSandboxImage, restrictOomScoreAdj }));
    });
}

const defaultCniBinDir = '/usr/lib/cni';
const defaultSandboxImage = 'registry.k8s.io/pause:3.10.1';

function serverCommand(program: Command): void {
  addEtcdFlags(
    addEncryptionFlags(
      addAuditFlags(
        addLeadershipFlags(addAuthorizationFlags(addServiceAccountFlags(addAuthenticationFlags(program.command('server'))))),
      ),
    ),
  )
    .description('run the control plane: store, API server, controllers, scheduler')
    .option('--data-dir <path>', 'store, keys and certificates', defaultServerDataDir)
    .option('--bind-address <address>', 'where HTTPS listens', '0.0.0.0')
    .option('--advertise-address <address>', "where nodes and pods reach it; by default the machine's first address")
    .option('--secure-port <port>', 'HTTPS port', port, 6443)
    .option('--service-cluster-ip-range <cidr>', "the Services' network", cidr, '10.96.0.0/16')
    .option('--service-node-port-range <first-last>', 'node ports', portRange, { first: 30_000, last: 32_767 })
    .option('--cluster-cidr <cidr>', "the pods' network", cidr, '10.244.0.0/16')
    .option('--scheduler-config <path>', "a KubeSchedulerConfiguration (upstream kube-scheduler's --config)")
    .option('--cluster-domain <name>', 'domain of Service names', 'cluster.local')
    .option('--node-cidr-mask-size <bits>', "a node's part of the pods' network", count, 24)
    .option('--node-monitor-period <duration>', 'how often nodes are looked at', durationMs, 5000)
    .option('--node-monitor-grace-period <duration>', 'silence after which a node is NotReady', durationMs, 50_000)
    .option('--concurrent-horizontal-pod-autoscaler-syncs <count>', 'autoscalers looked at at a time', count, 5)
    .option('--horizontal-pod-autoscaler-sync-period <duration>', 'how often an autoscaler is looked at', durationMs, 15_000)
    .option(
      '--horizontal-pod-autoscaler-downscale-stabilization <duration>',
      'how long recommendations keep pods from being removed',
      durationMs,
      300_000,
    )
    .option(
      '--horizontal-pod-autoscaler-tolerance <ratio>',
      'how far use may be from the target before anything is scaled',
      ratio,
      0.1,
    )
    .option(
      '--horizontal-pod-autoscaler-cpu-initialization-period <duration>',
      'how long after its start CPU use of a pod may not count',
      durationMs,
      300_000,
    )
    .option(
      '--horizontal-pod-autoscaler-initial-readiness-delay <duration>',
      'how long after its start changes of readiness count as its start',
      durationMs,
      30_000,
    )
    .option(
      '--load-balancer-pool <cidrs>',
      'addresses for Services of type LoadBalancer, which the network brings to the nodes',
      cidr,
      '',
    )
    .option('--metric-resolution <duration>', 'how often kubelets are asked what their pods use', durationMs, 15_000)
    .option(
      '--proxy-client-cert-file <file>',
      "as whom aggregated servers know this one; by default the cluster's front-proxy-client",
    )
    .option('--proxy-client-key-file <file>', 'its key')
    .option('--cluster-signing-cert-file <file>', "the CA that signs requests for certificates; by default the cluster's")
    .option('--cluster-signing-key-file <file>', 'its key')
    .option(
      '--cluster-signing-duration <duration>',
      'how long certificates for requests are valid, at most',
      durationMs,
      365 * 24 * 60 * 60_000,
    )
    .option('--default-not-ready-toleration-seconds <n>', 'how long pods stay on a node that is not ready', count, 300)
    .option('--default-unreachable-toleration-seconds <n>', 'how long pods stay on a node that is unreachable', count, 300)
    .option(
      '--admission-control-config-file <file>',
      'an AdmissionConfiguration: the configuration of PodSecurity, ResourceQuota, PodNodeSelector, PodTolerationRestriction, EventRateLimit and of webhooks',
    )
    .option(
      '--enable-admission-plugins <names>',
      'admission plugins to ask besides those that are on by default; may be given often',
      collectNames,
      [],
    )
    .option(
      '--disable-admission-plugins <names>',
      'admission plugins not to ask, although they are on by default; may be given often',
      collectNames,
      [],
    )
    .option('--max-requests-inflight <n>', 'requests at a time that only read; 0: no limit', count, 400)
    .option('--max-mutating-requests-inflight <n>', 'requests at a time that change something; 0: no limit', count, 200)
    .option('--enable-priority-and-fairness <bool>', 'the limits are divided fairly among priority levels', boolean, true)
    .option('--tls-cert-file <file>', 'serving certificate; read again when it changes; by default that of the data folder')
    .option('--tls-private-key-file <file>', 'its key')
    .option('--tls-san <name>', 'another name or address for the serving certificate; may be given often', collect, [])
    .option('--write-kubeconfig <file>', "where to write the administrator's kubeconfig, besides <data-dir>/admin.conf")
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(async (flags: ServerFlags) => (await import('./run-server.ts')).server(flags));
}

function agentCommand(program: Command): void {
  addJoinFlags(addKubeletAuthFlags(program.command('agent')))
    .description('run a node: kubelet, service rules, pod network, cluster DNS')
    .option('--kubeconfig <file>', "the node's credentials (tinker node-credentials); by default <root-dir>/kubelet.conf")
    .option('--client-ca-file <file>', "the CA of the clients of the kubelet's API; by default the cluster's")
    .option('--tls-cert-file <file>', 'serving certificate of the kubelet API')
    .option('--tls-private-key-file <file>', 'its key')
    .option('--cleanup', 'remove the service rules and those of network policies from this node and exit; nothing else is needed')
    .option('--hostname-override <name>', "the node's name", hostname().toLowerCase())
    .option(
      '--node-ip <address>',
      "the node's address, or one of each family with a comma; by default the one that leads to the API server",
    )
    .option('--root-dir <path>', "the kubelet's files", '/var/lib/tinkernetes/kubelet')
    .option('--pod-logs-dir <path>', "the containers' logs", '/var/log/pods')
    .option('--container-runtime <name>', 'containerd or docker', 'containerd')
    .option('--container-runtime-endpoint <url>', 'its socket; by default the usual one')
    .option('--pod-infra-container-image <image>', 'the pod sandbox of the docker runtime', defaultSandboxImage)
    .option('--cgroup-root <path>', 'control group above kubepods', '/')
    .option('--cluster-cidr <cidr>', "the pods' network", cidr, '10.244.0.0/16')
    .option('--proxy-mode <mode>', 'what writes the rules of services: iptables or nftables', proxyMode, 'iptables')
    .option('--cluster-dns <address>', "the DNS Service's address", '10.96.0.10')
    .option('--cluster-domain <name>', 'domain of Service names', 'cluster.local')
    .option(
      '--resolv-conf <file>',
      "the node's resolvers, for all other names; by default /etc/resolv.conf, or what is behind systemd-resolved",
    )
    .option('--dns-address <address>', 'serve DNS here, too, besides --node-ip; may be repeated', collect, [])
    .option('--cni-conf-dir <path>', 'where the pod network is written', '/etc/cni/net.d')
    .option('--cni-bin-dir <path>', 'CNI plugins', defaultCniBinDir)
    .option('--cni-state-dir <path>', "host-local's leases", '/var/lib/cni/networks')
    .option('--pod-manifest-path <path>', 'a folder of manifests of static pods, or one such file')
    .option('--file-check-frequency <duration>', 'how often all of these are read again', durationMs, 20_000)
    .option(
      '--pod-network <way>',
      'auto: routes, and VXLAN to nodes behind a router; vxlan: VXLAN to all nodes; none: your own CNI does it',
      'auto',
    )
    .option('--network-policy <bool>', 'enforce NetworkPolicies with nftables; by default, unless --pod-network is none', boolean)
    .option('--max-pods <n>', 'pods on this node', count, 110)
    .option('--sync-frequency <duration>', 'how often running pods are looked at anew, with what they mount', durationMs, 60_000)
    .option('--node-lease-duration-seconds <n>', 'how long a heartbeat holds; renewed at a quarter of it', count, 40)
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(async (flags: AgentFlags) => (await import('./run-agent.ts')).agent(flags));
}

/** A list with commas. The names are checked together with those of the other flag. */
function collectNames(value: string, previous: string[]): string[] {
  return value === '' ? previous : [...previous, ...value.split(',')];
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
