/**
 * The text that brings our table in the kernel from one state to the next. Pure.
 *
 * The table has two base chains in the hook `forward`, where packets between a pod and everything but its own node pass, after the
 * addresses of Services have been translated. Traffic between a pod and its own node is always allowed, as the API says, so it is
 * not looked at. What belongs to a connection that was allowed when it began passes, as with Calico and kube-network-policies: a
 * policy says who may begin.
 *
 * Source: nft(8); kubernetes.io, "Network Policies".
 */
import type { KernelSet } from './peer-sets.ts';
import { policyTable, type TableShape } from './policy-table.ts';

/** The rules of one node. */
export interface PolicyRuleset {
  /** Rules by chain. */
  chains: ReadonlyMap<string, readonly string[]>;
  sets: ReadonlyMap<string, KernelSet>;
  /** `egress-4`, …: by key the rest of the element. */
  maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** Just before iptables' `filter`, so that no rule of others accepts what a policy does not. */
const priorities = { egress: -20, ingress: -19 };

const mapTypes: Readonly<Record<string, string>> = {
  'egress-4': 'map ipv4_addr : verdict',
  'egress-6': 'map ipv6_addr : verdict',
  'ingress-4': 'map ipv4_addr : verdict',
  'ingress-6': 'map ipv6_addr : verdict',
  'self-4': 'set ipv4_addr . ipv4_addr',
  'self-6': 'set ipv6_addr . ipv6_addr',
};

function baseRules(direction: 'egress' | 'ingress'): string[] {
  const side = direction === 'egress' ? 'saddr' : 'daddr';
  return [
    'ct state established,related accept',
    // Without neighbour discovery a pod would not even find its own node.
    'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept',
    // A pod reaches itself by its Service, whatever the policies say.
    'ip saddr . ip daddr @self-4 accept',
    'ip6 saddr . ip6 daddr @self-6 accept',
    `ip ${side} vmap @${direction}-4`,
    `ip6 ${side} vmap @${direction}-6`,
  ];
}

function baseChain(direction: 'egress' | 'ingress'): string[] {
  return [
    `add chain ${policyTable} ${direction} { type filter hook forward priority ${priorities[direction]}; policy accept; }`,
    ...rulesOf(direction, baseRules(direction)),
  ];
}

/** How many elements one command has at most. */
const batchSize = 2_000;

function elementCommands(action: 'add' | 'delete', set: string, elements: readonly string[]): string[] {
  const commands: string[] = [];
  for (let at = 0; at < elements.length; at += batchSize)
    commands.push(`${action} element ${policyTable} ${set} { ${elements.slice(at, at + batchSize).join(', ')} }`);
  return commands;
}

const rulesOf = (name: string, rules: readonly string[]): string[] =>
  rules.map((rule) => `add rule ${policyTable} ${name} ${rule}`);
const mapElements = (map: ReadonlyMap<string, string>): string[] =>
  Array.from(map, ([key, rest]) => (rest === '' ? key : `${key} ${rest}`));
const text = (commands: readonly string[]): string => (commands.length === 0 ? '' : `${commands.join('\n')}\n`);

/** The text that replaces whatever the kernel has in our table, in one step. Takes all changes of the sets. */
export function fullScript({ chains, sets, maps }: PolicyRuleset): string {
  return text([
    `add table ${policyTable}`,
    `delete table ${policyTable}`,
    `add table ${policyTable} { comment "NetworkPolicy, written by Tinkernetes"; }`,
    ...Object.entries(mapTypes).map(([name, declared]) => {
      const [kind, ...type] = declared.split(' ');
      return `add ${kind} ${policyTable} ${name} { type ${type.join(' ')}; }`;
    }),
    ...Array.from(sets, ([name, { type }]) => `add set ${policyTable} ${name} { type ${type}; }`),
    ...Array.from(chains.keys(), (name) => `add chain ${policyTable} ${name}`),
    ...Array.from(chains, ([name, rules]) => rulesOf(name, rules)).flat(),
    ...Array.from(sets, ([name, { elements }]) => {
      elements.take();
      return elementCommands('add', name, elements.elements());
    }).flat(),
    ...Array.from(maps, ([name, map]) => elementCommands('add', name, mapElements(map))).flat(),
    ...baseChain('egress'),
    ...baseChain('ingress'),
  ]);
}

/** What {@link changeScript} gives. */
export interface ChangeScript {
  /** Empty when nothing changed. */
  text: string;
  /**
   * Deletes what no rule uses any more. It is a transaction of its own: older kernels refuse to delete a chain together with the
   * last element that leads to it.
   */
  garbage: string;
}

/** The text that changes `before` into `now`: only what differs. Takes the changes of the sets. */
export function changeScript(before: PolicyRuleset, now: PolicyRuleset): ChangeScript {
  const added: string[] = [];
  const changed: string[] = [];
  const garbage: string[] = [];
  for (const [name, set] of now.sets) {
    const isNew = before.sets.get(name)?.elements !== set.elements;
    const { added: more, removed } = set.elements.take();
    if (isNew) {
      // A set of the same name may have been emptied and be made anew.
      if (before.sets.has(name)) changed.push(`flush set ${policyTable} ${name}`);
      else added.push(`add set ${policyTable} ${name} { type ${set.type}; }`);
      changed.push(...elementCommands('add', name, set.elements.elements()));
    } else changed.push(...elementCommands('delete', name, removed), ...elementCommands('add', name, more));
  }
  for (const [name, rules] of now.chains) {
    const old = before.chains.get(name);
    if (old === rules || (old !== undefined && old.length === rules.length && old.every((rule, at) => rule === rules[at])))
      continue;
    if (old === undefined) added.push(`add chain ${policyTable} ${name}`);
    else changed.push(`flush chain ${policyTable} ${name}`);
    changed.push(...rulesOf(name, rules));
  }
  for (const [name, map] of now.maps) changed.push(...mapChanges(name, before.maps.get(name) ?? new Map(), map));
  for (const name of before.chains.keys()) {
    if (now.chains.has(name)) continue;
    changed.push(`flush chain ${policyTable} ${name}`);
    garbage.push(`delete chain ${policyTable} ${name}`);
  }
  for (const name of before.sets.keys()) if (!now.sets.has(name)) garbage.push(`delete set ${policyTable} ${name}`);
  return { text: text([...added, ...changed]), garbage: text(garbage) };
}

function mapChanges(name: string, before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  const removed = [...before].filter(([key, rest]) => now.get(key) !== rest).map(([key]) => key);
  const added = new Map([...now].filter(([key, rest]) => before.get(key) !== rest));
  return [...elementCommands('delete', name, removed), ...elementCommands('add', name, mapElements(added))];
}

/** Whether the kernel's table has the chains, rules and sets of `ruleset`. */
export function isIntact(shape: TableShape | undefined, { chains, sets, maps }: PolicyRuleset): boolean {
  if (shape === undefined) return false;
  const wanted = new Map(Array.from(chains, ([name, rules]) => [name, rules.length] as const));
  for (const direction of ['egress', 'ingress'] as const) wanted.set(direction, baseRules(direction).length);
  return (
    shape.chains.size === wanted.size &&
    [...wanted].every(([name, count]) => shape.chains.get(name) === count) &&
    shape.sets.size === sets.size + maps.size &&
    [...sets.keys(), ...maps.keys()].every((name) => shape.sets.has(name))
  );
}
