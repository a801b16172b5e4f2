/**
 * The lab's network: one bridge on the host, and one network namespace per worker, connected by veth pairs. Each step first
 * checks what exists, so that building twice, or after a crash, is harmless.
 */
import { existsSync } from 'node:fs';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { allHosts, type Lab, type Worker } from './config.ts';
import { UsageError } from './system.ts';

/** The argv prefix that runs a program in the worker's network namespace. */
export const nsenter = (worker: Worker): string[] => ['nsenter', `--net=/run/netns/${worker.netns}`];

/** Makes bridge, namespaces, links and rules. Idempotent. @throws ExecError */
export async function createNetwork(lab: Lab, exec: Exec): Promise<void> {
  for (const { bridge, gateway, prefixLength } of lab.networks) {
    if (!(await linkExists(exec, [], bridge))) await exec(['ip', 'link', 'add', bridge, 'type', 'bridge']);
    await exec(['ip', 'addr', 'replace', `${gateway}/${prefixLength}`, 'dev', bridge]);
    await exec(['ip', 'link', 'set', bridge, 'up']);
  }
  await exec(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  await loadBridgeFilter(exec);
  await ensureHostRules(lab, exec);
  for (const host of allHosts(lab)) await createHost(host, exec);
}

/**
 * Loads br_netfilter. Packets between two pods of one node only cross a bridge. With this module they also pass iptables; without
 * it, a reply from a Service's endpoint on the client's own node is never translated back. Nothing else loads the module.
 */
async function loadBridgeFilter(exec: Exec): Promise<void> {
  if (existsSync('/proc/sys/net/bridge')) return;
  try {
    await exec(['modprobe', 'br_netfilter']);
  } catch (error) {
    throw new UsageError(
      'Services need the kernel module br_netfilter: load it with "modprobe br_netfilter" on the machine itself.',
      {
        cause: error,
      },
    );
  }
}

/** Makes one host's namespace, its link and addresses. Idempotent. @throws ExecError */
export async function createHost(worker: Worker, exec: Exec): Promise<void> {
  if (!existsSync(`/run/netns/${worker.netns}`)) await exec(['ip', 'netns', 'add', worker.netns]);
  const inside = nsenter(worker);
  if (!(await linkExists(exec, [], worker.hostLink))) {
    await exec(['ip', 'link', 'add', worker.hostLink, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', worker.netns]);
  }
  await exec(['ip', 'link', 'set', worker.hostLink, 'master', worker.segment.bridge, 'up']);
  await exec([...inside, 'ip', 'link', 'set', 'lo', 'up']);
  await exec([...inside, 'ip', 'addr', 'replace', `${worker.ip}/${worker.segment.prefixLength}`, 'dev', 'eth0']);
  await exec([...inside, 'ip', 'link', 'set', 'eth0', 'up']);
  // Without a default route there is no route to a ClusterIP, and the packet does not reach the rules that translate it.
  await exec([...inside, 'ip', 'route', 'replace', 'default', 'via', worker.segment.gateway]);
}

/** Takes one host's namespace and link away. @throws ExecError */
export async function removeHost({ netns }: Worker, exec: Exec): Promise<void> {
  if (existsSync(`/run/netns/${netns}`)) await exec(['ip', 'netns', 'delete', netns]);
}

async function linkExists(exec: Exec, inside: string[], link: string): Promise<boolean> {
  const { stdout } = await exec([...inside, 'ip', '-j', 'link', 'show']);
  return (JSON.parse(stdout) as { ifname: string }[]).some(({ ifname }) => ifname === link);
}

/**
 * The rules of the host. It forwards the lab's packets, also when Docker has set FORWARD to DROP, and masquerades packets that
 * leave the lab. Packets inside the lab are not translated, and neither are kubectl's connections to the control plane, which use
 * `lo`. In a translated connection, a packet that conntrack finds INVALID would arrive untranslated, and the kernel would answer
 * it with a reset.
 *
 * A packet that leaves a node for an address of the service range was not translated by any rule: the Service does not exist, or does not
 * have that port. The host rejects it. Otherwise it would be routed to some other machine.
 *
 * Between two networks of hosts this machine is a router like any other, which knows nothing of pods: packets with their addresses do not pass.
 *
 * Each rule is inserted at the front, so later ones in this list come first.
 */
function hostRules(lab: Lab): string[][] {
  const comment = ['-m', 'comment', '--comment', `tinkernetes lab ${lab.name}`];
  const bridges = lab.networks.map(({ bridge }) => bridge);
  const between = bridges.flatMap((from) => bridges.filter((to) => to !== from).map((to) => ['-i', from, '-o', to]));
  return [
    ...bridges.flatMap((bridge) => [
      ['filter', 'FORWARD', '-i', bridge, ...comment, '-j', 'ACCEPT'],
      ['filter', 'FORWARD', '-o', bridge, ...comment, '-j', 'ACCEPT'],
      ['filter', 'FORWARD', '-i', bridge, '-d', lab.serviceCidr, ...comment, '-j', 'REJECT'],
      ['nat', 'POSTROUTING', '-s', lab.subnet, '!', '-d', lab.subnet, '!', '-o', bridge, ...comment, '-j', 'MASQUERADE'],
    ]),
    ...between.map((way) => ['filter', 'FORWARD', ...way, '-d', lab.clusterCidr, ...comment, '-j', 'DROP']),
  ];
}

async function ensureHostRules(lab: Lab, exec: Exec): Promise<void> {
  for (const [table, chain, ...rule] of hostRules(lab) as [string, string, ...string[]][]) {
    if (!(await succeeds(exec, ['iptables', '-w', '-t', table, '-C', chain, ...rule]))) {
      await exec(['iptables', '-w', '-t', table, '-I', chain, ...rule]);
    }
  }
}

/**
 * Removes the lab's namespaces, links and rules, if they exist, also those of workers beyond the present number. @throws
 * ExecError
 */
export async function removeNetwork(lab: Lab, exec: Exec): Promise<void> {
  for (const netns of await labNamespaces(lab, exec)) await exec(['ip', 'netns', 'delete', netns]);
  const { stdout } = await exec(['ip', '-j', 'link', 'show']);
  const links = (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname);
  for (const link of links.filter(
    (name) => lab.networks.some(({ bridge }) => bridge === name) || new RegExp(`^${lab.name}-(w\\d|cp)$`).test(name),
  )) {
    // Deleting a namespace deletes its end of the pair, and the kernel then deletes the other end, some time later.
    await exec(['ip', 'link', 'delete', link]).catch((error: unknown) => {
      if (!(error instanceof ExecError) || !/Cannot find device/.test(error.message)) throw error;
    });
  }
  for (const [table, chain, ...rule] of hostRules(lab) as [string, string, ...string[]][]) {
    while (await succeeds(exec, ['iptables', '-w', '-t', table, '-D', chain, ...rule]));
  }
}

/** The names of the lab's namespaces that exist now. */
export async function labNamespaces(lab: Lab, exec: Exec): Promise<string[]> {
  const { stdout } = await exec(['ip', '-j', 'netns', 'list']);
  const names = stdout.trim() === '' ? [] : (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
  return names.filter((name) => new RegExp(`^${lab.name}-(worker-\\d|controlplane)$`).test(name));
}

/** The pids of all processes in the lab's namespaces: agents, runtimes and their shims. */
export async function namespacePids(lab: Lab, exec: Exec): Promise<number[]> {
  const pids: number[] = [];
  for (const netns of await labNamespaces(lab, exec)) {
    const { stdout } = await exec(['ip', 'netns', 'pids', netns]);
    pids.push(
      ...stdout
        .split('\n')
        .filter((line) => line !== '')
        .map(Number),
    );
  }
  return pids;
}

async function succeeds(exec: Exec, argv: string[]): Promise<boolean> {
  try {
    await exec(argv);
    return true;
  } catch (error) {
    if (error instanceof ExecError && error.result.exitCode > 0) return false;
    throw error;
  }
}
