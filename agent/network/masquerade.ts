/**
 * Rules for pod traffic at the edges of the pod network, in chains of our own:
 *
 * - nat, IP-MASQ-AGENT (the name and behaviour of upstream's ip-masq-agent, narrowed to this node's pods): what pods send
 *   out of the cluster CIDR takes the node's address; within it, the source stays, as the network model demands.
 * - filter, TINKERNETES-FORWARD: pods' packets may be forwarded where the host's policy is DROP (Docker sets it). The jump
 *   stands last in FORWARD: a Service's REJECT and anybody's policy come first.
 *
 * Source: github.com/kubernetes-sigs/ip-masq-agent, README; kubernetes.io, "The Kubernetes network model".
 */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { familyOf, type IpFamily } from '#api/ip.ts';

export const masqueradeChain = 'IP-MASQ-AGENT';
export const forwardChain = 'TINKERNETES-FORWARD';

/** Both families' multicast, which is never masqueraded. */
const multicast: Record<IpFamily, string> = { IPv4: '224.0.0.0/4', IPv6: 'ff00::/8' };

export interface MasqueradeOptions {
  family: IpFamily;
  podCidrs: readonly string[];
  clusterCidrs: readonly string[];
}

/** The chains' content as `iptables-restore --noflush` reads it: only these chains are written. Pure. */
export function masqueradeRules({ family, podCidrs, clusterCidrs }: MasqueradeOptions): string {
  const ours = (cidrs: readonly string[]): string[] => cidrs.filter((cidr) => familyOf(cidr) === family).toSorted();
  const keep = [...ours(clusterCidrs), multicast[family]];
  const nat = [
    ...keep.map((cidr) => `-d ${cidr} -m comment --comment "ip-masq-agent: keep the source within ${cidr}" -j RETURN`),
    ...ours(podCidrs).map(
      (cidr) =>
        `-s ${cidr} -m comment --comment "ip-masq-agent: pods leave with the node's address" -j MASQUERADE --random-fully`,
    ),
  ];
  const forward = ours(clusterCidrs)
    .flatMap((cidr) => [`-s ${cidr}`, `-d ${cidr}`])
    .map((match) => `${match} -m comment --comment "pod network" -j ACCEPT`);
  return table('nat', masqueradeChain, nat) + table('filter', forwardChain, forward);
}

const table = (name: string, chain: string, rules: readonly string[]): string =>
  `*${name}\n:${chain} - [0:0]\n${rules.map((rule) => `-A ${chain} ${rule}\n`).join('')}COMMIT\n`;

const jumps = [
  {
    table: 'nat',
    from: 'POSTROUTING',
    chain: masqueradeChain,
    match: [
      '-m',
      'comment',
      '--comment',
      'ip-masq-agent: pod traffic that leaves the node',
      '-m',
      'addrtype',
      '!',
      '--dst-type',
      'LOCAL',
    ],
  },
  { table: 'filter', from: 'FORWARD', chain: forwardChain, match: ['-m', 'comment', '--comment', 'pod network forwarding'] },
] as const;

const program = (family: IpFamily): string => (family === 'IPv4' ? 'iptables' : 'ip6tables');

/** Brings chains and jumps to what {@link masqueradeRules} says. Doing it again changes nothing. @throws ExecError */
export async function ensureMasquerade(exec: Exec, options: MasqueradeOptions): Promise<void> {
  const iptables = program(options.family);
  await exec([`${iptables}-restore`, '-w', '5', '--noflush'], { stdin: masqueradeRules(options) });
  for (const { table: name, from, chain, match } of jumps) {
    const rule = [from, ...match, '-j', chain];
    if (!(await succeeds(exec, [iptables, '-w', '5', '-t', name, '-C', ...rule])))
      await exec([iptables, '-w', '5', '-t', name, '-A', ...rule]);
  }
}

/** Removes what {@link ensureMasquerade} has made; absent parts are fine. */
export async function removeMasquerade(exec: Exec, family: IpFamily): Promise<void> {
  const iptables = program(family);
  for (const { table: name, from, chain, match } of jumps) {
    const inTable = [iptables, '-w', '5', '-t', name];
    const rule = [from, ...match, '-j', chain];
    while (await succeeds(exec, [...inTable, '-C', ...rule])) await exec([...inTable, '-D', ...rule]);
    if (!(await succeeds(exec, [...inTable, '-S', chain]))) continue;
    await exec([...inTable, '-F', chain]);
    await exec([...inTable, '-X', chain]);
  }
}

/** Status 1 is iptables' "no such rule, chain"; others (usage, no permission) are failures. */
async function succeeds(exec: Exec, argv: readonly string[]): Promise<boolean> {
  try {
    await exec(argv);
    return true;
  } catch (error) {
    if (
      error instanceof ExecError &&
      (error.result.exitCode === 1 || /does a chain|No chain|does not exist/i.test(error.result.stderr))
    )
      return false;
    throw error;
  }
}
