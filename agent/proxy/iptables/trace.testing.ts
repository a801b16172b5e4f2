/**
 * Walks a packet through the text of a ruleset as the kernel would: finds the rules that match and the verdict. Pure. A rule with
 * a probability is followed and also skipped, so that all possible endpoints are found.
 */

import { containsIp, parseCidr, parseIp } from '#api/ip.ts';
import { jumps, type Table } from './chains.ts';

export interface Packet {
  source: string;
  destination: string;
  port: number;
  protocol: 'tcp' | 'udp' | 'sctp';
}

export interface TraceOptions {
  /** Addresses of the node, for `addrtype LOCAL`. 127.0.0.0/8 is always local. */
  nodeIps: readonly string[];
}

export interface Trace {
  /** `forwarded`: to one of `endpoints`. `reject`, `drop`: by a filter rule. `untouched`: no service rule matched. */
  verdict: 'forwarded' | 'reject' | 'drop' | 'untouched';
  /** All endpoints (`ip:port`) that the DNAT rules may choose, sorted. */
  endpoints: string[];
  /** Whether the packet leaves with the node's address as its source. */
  masqueraded: boolean;
  /** Every rule that matched, with its table: `nat -A KUBE-SERVICES …`. */
  path: string[];
}

interface Walk {
  packet: Packet;
  rules: Record<Table, Map<string, string[]>>;
  local(address: string): boolean;
  marked: boolean;
  endpoints: Set<string>;
  path: string[];
}

type Outcome = 'ACCEPT' | 'DROP' | 'REJECT' | 'DNAT' | 'MASQUERADE' | 'RETURN' | undefined;

/** @throws Error for a match or a target that it does not know: guessing would make a wrong trace */
export function tracePacket(ruleset: string, packet: Packet, { nodeIps }: TraceOptions): Trace {
  const local = (address: string): boolean => nodeIps.includes(address) || address.startsWith('127.');
  const walk: Walk = { packet, rules: parseRules(ruleset), local, marked: false, endpoints: new Set(), path: [] };
  const fromHere = local(packet.source);
  runChain(walk, 'nat', fromHere ? 'OUTPUT' : 'PREROUTING', false);

  const forwarded = walk.endpoints.size > 0;
  const filtered = { ...walk, packet: forwarded ? towards(packet, [...walk.endpoints][0] ?? '') : packet };
  const toHere = local(filtered.packet.destination);
  // A packet from the node to itself passes OUTPUT and then comes in on the loopback.
  const hooks = [...(fromHere ? ['OUTPUT'] : []), ...(toHere ? ['INPUT'] : fromHere ? [] : ['FORWARD'])];
  for (const hook of hooks) {
    const outcome = runChain(filtered, 'filter', hook, forwarded);
    if (outcome === 'ACCEPT' || outcome === undefined) continue;
    return { verdict: outcome === 'DROP' ? 'drop' : 'reject', endpoints: [], masqueraded: false, path: walk.path };
  }
  const masqueraded = runChain(filtered, 'nat', 'POSTROUTING', forwarded) === 'MASQUERADE';
  return { verdict: forwarded ? 'forwarded' : 'untouched', endpoints: [...walk.endpoints].sort(), masqueraded, path: walk.path };
}

function towards(packet: Packet, endpoint: string): Packet {
  const colon = endpoint.lastIndexOf(':');
  return {
    ...packet,
    destination: endpoint.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(endpoint.slice(colon + 1)),
  };
}

function parseRules(ruleset: string): Record<Table, Map<string, string[]>> {
  const rules: Record<Table, Map<string, string[]>> = { mangle: new Map(), nat: new Map(), filter: new Map() };
  // Each jump is inserted at the front of its chain.
  for (const { table, from, rule } of jumps) rules[table].set(from, [rule, ...(rules[table].get(from) ?? [])]);
  let table: Table = 'filter';
  for (const line of ruleset.split('\n')) {
    const section = /^\*(mangle|nat|filter)$/.exec(line)?.[1];
    if (section !== undefined) table = section as Table;
    const chain = /^:(\S+) /.exec(line)?.[1];
    if (chain !== undefined) rules[table].set(chain, []);
    const rule = /^-A (\S+) ?(.*)$/.exec(line);
    if (rule === null) continue;
    const target = rules[table].get(rule[1] ?? '');
    if (target === undefined) throw new Error(`rule for a chain that is not declared: ${line}`);
    target.push(rule[2] ?? '');
  }
  return rules;
}

function runChain(walk: Walk, table: Table, chain: string, translated: boolean): Outcome {
  const rules = walk.rules[table].get(chain);
  if (rules === undefined) throw new Error(`jump to a chain that does not exist: ${table} ${chain}`);
  for (const text of rules) {
    const rule = parseRule(text);
    if (!rule.matches.every((match) => matches(match, walk, translated))) continue;
    if (rule.target !== undefined) walk.path.push(`${table} -A ${chain} ${text}`);
    const outcome = take(rule, walk, table, translated);
    if (outcome === 'RETURN') return undefined;
    // A rule with a probability may also not match: the walk goes on and finds the other endpoints, too.
    const certain = !rule.matches.some(({ name }) => name === '--probability');
    if (outcome !== undefined && certain) return outcome;
  }
  return undefined;
}

function take({ target, argument }: Rule, walk: Walk, table: Table, translated: boolean): Outcome {
  switch (target) {
    case undefined:
      return undefined;
    case 'MARK':
      walk.marked = !argument.endsWith('/0x0');
      return undefined;
    case 'DNAT':
      walk.endpoints.add(argument.replace('--to-destination ', ''));
      return 'DNAT';
    case 'ACCEPT':
    case 'DROP':
    case 'REJECT':
    case 'MASQUERADE':
    case 'RETURN':
      return target;
    default:
      return runChain(walk, table, target, translated);
  }
}

interface Match {
  name: string;
  value: string;
  negated: boolean;
}

interface Rule {
  matches: Match[];
  target: string | undefined;
  argument: string;
}

const flags = new Set(['--set', '--reap', '--rcheck', '--random-fully', '--rsource']);

function parseRule(text: string): Rule {
  const words = [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const matches: Match[] = [];
  let negated = false;
  for (let index = 0; index < words.length; index++) {
    const name = words[index] ?? '';
    if (name === '!') {
      negated = true;
      continue;
    }
    if (name === '-j') return { matches, target: words[index + 1], argument: words.slice(index + 2).join(' ') };
    const value = flags.has(name) ? '' : (words[++index] ?? '');
    matches.push({ name, value, negated });
    negated = false;
  }
  return { matches, target: undefined, argument: '' };
}

function matches({ name, value, negated }: Match, { packet, local, marked }: Walk, translated: boolean): boolean {
  const within = (address: string): boolean => {
    const cidr = parseCidr(value.includes('/') ? value : `${value}/${value.includes(':') ? 128 : 32}`);
    const ip = parseIp(address);
    return cidr !== undefined && ip !== undefined && containsIp(cidr, ip);
  };
  const holds = (): boolean => {
    switch (name) {
      case '-m':
      case '--comment':
      case '--mode':
      case '--probability':
      case '--name':
      case '--seconds':
      case '--mask':
      case '--rsource':
      case '--set':
      case '--reap':
        return true;
      // The client is new: no endpoint has it in its list.
      case '--rcheck':
        return false;
      case '-p':
        return packet.protocol === value;
      case '-s':
        return within(packet.source);
      case '-d':
        return within(packet.destination);
      case '--dport':
        return packet.port === Number(value);
      case '--dst-type':
        return local(packet.destination);
      case '--src-type':
        return local(packet.source);
      case '--mark':
        return marked;
      // The packet is the first of its connection.
      case '--ctstate':
        return value.split(',').some((state) => state === 'NEW' || (state === 'DNAT' && translated));
      default:
        throw new Error(`unknown match ${name}`);
    }
  };
  return holds() !== negated;
}
