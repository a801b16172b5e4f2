/** Builds the iptables rules of a service state. Pure; equal states give equal rules. */
import type { BackendOptions } from '../backend.ts';
import type { ServicePortState, ServiceState } from '../state.ts';
import { chains, localnetComment, type Table } from './chains.ts';
import { type DispatchRule, type PortRules, type RuleSettings, ruleText } from './rule-writer.ts';
import { portRules } from './service-rules.ts';

/** What the rules depend on besides the services. */
export interface RulesetOptions extends Omit<BackendOptions, 'family' | 'nodePortIps'> {
  /** The addresses that `--nodeport-addresses` selects. Absent: every local address. */
  nodePortIps?: readonly string[] | undefined;
  /** False when the sysctl net.netfilter.nf_conntrack_tcp_be_liberal is set. Default true. */
  dropInvalid?: boolean;
}

/** The chains of each table in the order in which they are written, each with its rules (without the leading `-A chain`). */
export type Ruleset = Readonly<Record<Table, ReadonlyMap<string, readonly string[]>>>;

/** The rules of a service state, port by port. The rules of a port are compiled when they are asked for. */
export interface CompiledState {
  /** Differs when the rules of every port differ, because a setting has changed. */
  settingsKey: string;
  state: ServiceState;
  ports: readonly ServicePortState[];
  rulesOf(port: ServicePortState): PortRules;
  /** The chains that do not depend on services, with all their rules. */
  standing: Ruleset;
  /** The last rules of shared chains, behind those of the services. */
  tail: readonly DispatchRule[];
}

/** The chains to which each service adds rules. */
export const dispatchChains: Readonly<Record<Table, readonly string[]>> = {
  mangle: [],
  filter: [chains.nodePorts, chains.services, chains.externalServices, chains.proxyFirewall],
  nat: [chains.nodePorts, chains.services],
};

/** Above this number of endpoints, the rules of endpoints have no comments (upstream's large-cluster mode). */
const largeClusterEndpoints = 1000;

/** The rules of these services. Pure. */
export function compileState(state: ServiceState, options: RulesetOptions = {}): CompiledState {
  let endpointCount = 0;
  for (const { endpoints } of state.ports) endpointCount += endpoints.length;
  const settings: RuleSettings = {
    markHex: `0x${(1 << (options.masqueradeBit ?? 14)).toString(16)}`,
    clusterCidr: options.clusterCidr,
    masqueradeAll: options.masqueradeAll ?? false,
    nodeIp: options.nodeIp,
    endpointComments: endpointCount <= largeClusterEndpoints,
  };
  const localhostNodePorts = state.family === 'IPv4' && (options.localhostNodePorts ?? true);
  return {
    settingsKey: JSON.stringify(settings),
    state,
    ports: state.ports,
    rulesOf: (port) => portRules(port, settings),
    standing: standingChains(settings.markHex, localhostNodePorts, options.dropInvalid ?? true),
    tail: nodePortJumps(state, { ...options, localhostNodePorts }),
  };
}

/** All chains with all their rules, as one full write into an empty kernel leaves them. Pure. */
export function compileRuleset(state: ServiceState, options: RulesetOptions = {}): Ruleset {
  const compiled = compileState(state, options);
  const tables = mutableCopy(compiled.standing);
  for (const table of ['filter', 'nat'] as const) for (const chain of dispatchChains[table]) tables[table].set(chain, []);
  for (const port of compiled.ports) {
    const { chains: own, dispatch } = compiled.rulesOf(port);
    for (const { table, chain, rule } of dispatch) tables[table].get(chain)?.push(rule);
    for (const [chain, rules] of own) tables.nat.set(chain, [...rules]);
  }
  for (const { table, chain, rule } of compiled.tail) tables[table].get(chain)?.push(rule);
  return tables;
}

const mutableCopy = (ruleset: Ruleset): Record<Table, Map<string, string[]>> => {
  const copy = (table: Table): Map<string, string[]> =>
    new Map([...ruleset[table]].map(([chain, rules]): [string, string[]] => [chain, [...rules]]));
  return { mangle: copy('mangle'), filter: copy('filter'), nat: copy('nat') };
};

/** {@link compileRuleset} as `iptables-restore --noflush` reads it. Pure. */
export function buildRuleset(state: ServiceState, options: RulesetOptions = {}): string {
  return renderRuleset(compileRuleset(state, options));
}

/** The ruleset as `iptables-restore --noflush` reads it. Pure. */
export function renderRuleset(ruleset: Ruleset): string {
  return (['mangle', 'filter', 'nat'] as const).map((table) => renderTable(table, ruleset[table])).join('');
}

/** The section of one table: chain lines (each creates or flushes a chain), rules, further lines, COMMIT. Pure. */
export function renderTable(
  table: Table,
  content: ReadonlyMap<string, readonly string[]>,
  trailer: readonly string[] = [],
): string {
  const lines = [`*${table}`];
  for (const chain of content.keys()) lines.push(`:${chain} - [0:0]`);
  for (const [chain, rules] of content) for (const rule of rules) lines.push(`-A ${chain} ${rule}`);
  lines.push(...trailer, 'COMMIT', '');
  return lines.join('\n');
}

function standingChains(mark: string, localhostNodePorts: boolean, dropInvalid: boolean): Ruleset {
  // With route_localnet, hosts on the same network could reach services on 127.0.0.1 (CVE-2020-8558). This rule drops their
  // packets.
  const guard = ruleText({
    source: '!127.0.0.0/8',
    destination: '127.0.0.0/8',
    comment: localnetComment,
    matches: '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT',
    target: 'DROP',
  });
  return {
    mangle: new Map([[chains.canary, []]]),
    filter: new Map([
      [chains.canary, []],
      [chains.firewall, localhostNodePorts ? [guard] : []],
      [chains.forward, forwardRules(mark, dropInvalid)],
    ]),
    nat: new Map([
      [chains.canary, []],
      [chains.markMasq, [`-j MARK --set-xmark ${mark}/${mark}`]],
      [
        chains.postrouting,
        [
          `-m mark ! --mark ${mark}/${mark} -j RETURN`,
          // Clears the mark, so that a packet that passes the stack a second time (in a tunnel) is not masqueraded twice.
          `-j MARK --set-xmark ${mark}/0x0`,
          ruleText({ comment: 'kubernetes service traffic requiring SNAT', target: 'MASQUERADE --random-fully' }),
        ],
      ],
    ]),
  };
}

function forwardRules(mark: string, dropInvalid: boolean): string[] {
  const accept = (comment: string, matches: string): string => ruleText({ comment, matches, target: 'ACCEPT' });
  return [
    // Conntrack does not translate a packet of state INVALID back, so its receiver would reset the connection (kubernetes issue
    // 74839).
    ...(dropInvalid ? ['-m conntrack --ctstate INVALID -j DROP'] : []),
    accept('kubernetes forwarding rules', `-m mark --mark ${mark}/${mark}`),
    accept('kubernetes forwarding conntrack rule', '-m conntrack --ctstate RELATED,ESTABLISHED'),
  ];
}

function nodePortJumps({ family }: ServiceState, options: RulesetOptions): DispatchRule[] {
  const jump = {
    comment: 'kubernetes service nodeports; NOTE: this must be the last rule in this chain',
    target: chains.nodePorts,
  };
  const rule = (destination: string | undefined, matches?: string): DispatchRule => ({
    table: 'nat',
    chain: chains.services,
    rule: ruleText({ ...jump, destination, matches }),
  });
  if (options.nodePortIps !== undefined) return options.nodePortIps.map((ip) => rule(ip));
  const notLoopback = family === 'IPv6' ? '!::1/128' : options.localhostNodePorts === true ? undefined : '!127.0.0.0/8';
  return [rule(notLoopback, '-m addrtype --dst-type LOCAL')];
}
