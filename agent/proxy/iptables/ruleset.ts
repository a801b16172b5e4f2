/** Builds the iptables rules of a service state as text. Pure; equal states give equal text. */
import type { BackendOptions } from '../backend.ts';
import type { ServiceState } from '../state.ts';
import { chains, localnetComment, type Table } from './chains.ts';
import { RuleWriter } from './rule-writer.ts';
import { writeServicePort } from './service-rules.ts';

/** What the rules depend on besides the services. */
export interface RulesetOptions extends Omit<BackendOptions, 'family' | 'nodePortIps'> {
  /** The addresses that `--nodeport-addresses` selects. Absent: every local address. */
  nodePortIps?: readonly string[] | undefined;
  /** False when the sysctl net.netfilter.nf_conntrack_tcp_be_liberal is set. Default true. */
  dropInvalid?: boolean;
}

/** The chains of each table in the order in which they are written, each with its rules (without the leading `-A chain`). */
export type Ruleset = Readonly<Record<Table, ReadonlyMap<string, readonly string[]>>>;

/** Above this number of endpoints, the rules of endpoints have no comments (upstream's large-cluster mode). */
const largeClusterEndpoints = 1000;

/**
 * The complete tables filter and nat for these services (and the canary chains), as `iptables-restore --noflush` reads them.
 * Pure.
 */
export function buildRuleset(state: ServiceState, options: RulesetOptions = {}): string {
  return renderRuleset(compileRuleset(state, options));
}

/** Like {@link buildRuleset}, but as chains instead of text. Pure. */
export function compileRuleset(state: ServiceState, options: RulesetOptions = {}): Ruleset {
  const endpointCount = state.ports.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  const writer = new RuleWriter({
    markHex: `0x${(1 << (options.masqueradeBit ?? 14)).toString(16)}`,
    clusterCidr: options.clusterCidr,
    masqueradeAll: options.masqueradeAll ?? false,
    nodeIp: options.nodeIp,
    endpointComments: endpointCount <= largeClusterEndpoints,
  });
  const localhostNodePorts = state.family === 'IPv4' && (options.localhostNodePorts ?? true);
  declareTopLevel(writer, localhostNodePorts);
  for (const port of state.ports) writeServicePort(writer, port);
  writeNodePortJump(writer, state, { ...options, localhostNodePorts });
  writeForward(writer, options.dropInvalid ?? true);
  return writer.tables;
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

function declareTopLevel(writer: RuleWriter, localhostNodePorts: boolean): void {
  writer.chain('mangle', chains.canary);
  for (const chain of [
    chains.canary,
    chains.nodePorts,
    chains.services,
    chains.externalServices,
    chains.firewall,
    chains.forward,
    chains.proxyFirewall,
  ]) {
    writer.chain('filter', chain);
  }
  for (const chain of [chains.canary, chains.nodePorts, chains.services, chains.markMasq, chains.postrouting])
    writer.chain('nat', chain);

  const { markHex } = writer;
  writer.nat(chains.markMasq, `-j MARK --or-mark ${markHex}`);
  writer.nat(chains.postrouting, `-m mark ! --mark ${markHex}/${markHex} -j RETURN`);
  // Clears the mark, so that a packet that passes the stack a second time (in a tunnel) is not masqueraded twice.
  writer.nat(chains.postrouting, `-j MARK --xor-mark ${markHex}`);
  writer.nat(chains.postrouting, '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully');

  if (localhostNodePorts) {
    // With route_localnet, hosts on the same network could reach services on 127.0.0.1 (CVE-2020-8558). This rule drops their
    // packets.
    writer.filter(
      chains.firewall,
      `-m comment --comment "${localnetComment}" -d 127.0.0.0/8 ! -s 127.0.0.0/8 ` +
        '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
    );
  }
}

function writeNodePortJump(writer: RuleWriter, { family }: ServiceState, options: RulesetOptions): void {
  const comment = '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"';
  if (options.nodePortIps !== undefined) {
    for (const ip of options.nodePortIps) writer.nat(chains.services, `${comment} -d ${ip} -j ${chains.nodePorts}`);
    return;
  }
  const notLoopback = family === 'IPv6' ? ' ! -d ::1/128' : options.localhostNodePorts === true ? '' : ' ! -d 127.0.0.0/8';
  writer.nat(chains.services, `${comment} -m addrtype --dst-type LOCAL${notLoopback} -j ${chains.nodePorts}`);
}

function writeForward(writer: RuleWriter, dropInvalid: boolean): void {
  // Conntrack does not translate a packet of state INVALID back, so its receiver would reset the connection (kubernetes issue
  // 74839).
  if (dropInvalid) writer.filter(chains.forward, '-m conntrack --ctstate INVALID -j DROP');
  const mark = `${writer.markHex}/${writer.markHex}`;
  writer.filter(chains.forward, `-m comment --comment "kubernetes forwarding rules" -m mark --mark ${mark} -j ACCEPT`);
  writer.filter(
    chains.forward,
    '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  );
}
