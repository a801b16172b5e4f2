/**
 * Rules for pod traffic at the edge of the pod network, in chains of our own:
 *
 * - nat, IP-MASQ-AGENT (name and behaviour of upstream's ip-masq-agent, limited to this node's pods): packets that pods send out
 *   of the cluster CIDR get the node's address as source. Inside the cluster CIDR the source stays, as the network model demands.
 * - filter, TINKERNETES-FORWARD: accepts pods' packets for forwarding, because the host's FORWARD policy may be DROP (Docker sets
 *   it). The jump stands last in FORWARD, so a Service's REJECT and the rules of other programs are decided first.
 *
 * Source: github.com/kubernetes-sigs/ip-masq-agent, README; kubernetes.io, "The Kubernetes network model".
 */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { familyOf, type IpFamily } from '#api/ip.ts';

/** The chain in table nat that masquerades pod traffic. */
export const masqueradeChain = 'IP-MASQ-AGENT';
/** The chain in table filter that accepts pod traffic. */
export const forwardChain = 'TINKERNETES-FORWARD';

/** The multicast ranges, which are never masqueraded. */
const multicast: Record<IpFamily, string> = { IPv4: '224.0.0.0/4', IPv6: 'ff00::/8' };

/** What the rules of one address family depend on. */
export interface MasqueradeOptions {
  family: IpFamily;
  podCidrs: readonly string[];
  clusterCidrs: readonly string[];
}

/** The content of both chains as `iptables-restore --noflush` reads it. It writes no other chain. Pure. */
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

/** Writes the chains of {@link masqueradeRules} and the jumps into them. Idempotent. @throws ExecError */
export async function ensureMasquerade(exec: Exec, options: MasqueradeOptions): Promise<void> {
  const iptables = program(options.family);
  await exec([`${iptables}-restore`, '-w', '5', '--noflush'], { stdin: masqueradeRules(options) });
  for (const { table: name, from, chain, match } of jumps) {
    const rule = [from, ...match, '-j', chain];
    if (!(await succeeds(exec, [iptables, '-w', '5', '-t', name, '-C', ...rule])))
      await exec([iptables, '-w', '5', '-t', name, '-A', ...rule]);
  }
}

/** Removes the chains and jumps that {@link ensureMasquerade} has made. Absent ones are success. @throws ExecError */
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

/**
 * Whether a call of iptables ended with status 0. Status 1 means that the rule or chain does not exist. Any other status is a
 * failure. @throws ExecError
 */
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
