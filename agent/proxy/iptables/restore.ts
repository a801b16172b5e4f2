/** Parses the output of iptables-save, and compares it with what should be there. Pure. */
import { atOnce, type Steps } from '#api/steps.ts';
import { chains, isServiceChain, jumps, kubeletCanary, localnetComment, type Table } from './chains.ts';
import { Plan, sameLines, tables } from './plan.ts';
import { type CompiledState, dispatchChains, type Ruleset } from './ruleset.ts';

/** Lines, or service ports, between two steps: some milliseconds. */
const stepSize = 4000;
const portsPerStep = 100;

/**
 * Parses the output of `iptables-save`: every chain with its rules (without `-A chain`), the kernel's own and foreign chains
 * included.
 */
export function* parseSaveSteps(text: string): Steps<Ruleset> {
  const saved = { mangle: new Map<string, string[]>(), nat: new Map<string, string[]>(), filter: new Map<string, string[]>() };
  let table: Table | undefined;
  let count = 0;
  for (let start = 0; start < text.length; ) {
    if (++count % stepSize === 0) yield;
    const newline = text.indexOf('\n', start);
    const line = text.slice(start, newline === -1 ? text.length : newline);
    start = newline === -1 ? text.length : newline + 1;
    if (line.startsWith('*')) table = tables.find((name) => line === `*${name}`);
    else if (table === undefined) continue;
    else if (line.startsWith(':')) saved[table].set(line.slice(1, line.indexOf(' ')), []);
    else if (line.startsWith('-A ')) {
      const end = line.indexOf(' ', 3);
      saved[table].get(line.slice(3, end))?.push(line.slice(end + 1));
    }
  }
  return saved;
}

/** {@link parseSaveSteps} at once. */
export const parseSave = (text: string): Ruleset => atOnce(parseSaveSteps(text));

/** A shared chain's rules by how often they occur. */
type RuleCounts = Map<string, number>;

const count = (counts: RuleCounts, rule: string): number => counts.get(rule) ?? 0;

/** The rules that shared chains should have, without those at their end. */
type WantedDispatch = Record<Table, Map<string, string[]>>;

/**
 * What must change so that the kernel, which holds `saved`, holds `next`. Chains that have the right rules are not touched. Also service
 * chains that another run has left are deleted, and missing jumps inserted at the front.
 */
export function* fullPlanSteps(next: CompiledState, saved: Ruleset): Steps<Plan> {
  const plan = new Plan();
  planStanding(plan, next.standing, saved);
  const wanted: WantedDispatch = { mangle: new Map(), filter: new Map(), nat: new Map() };
  for (const table of tables) for (const chain of dispatchChains[table]) wanted[table].set(chain, []);
  const own = new Set<string>();
  for (const [index, port] of next.ports.entries()) {
    if (index % portsPerStep === 0) yield;
    const rules = next.rulesOf(port);
    for (const { table, chain, rule } of rules.dispatch) {
      wanted[table].get(chain)?.push(rule);
      plan.growth[table]++;
    }
    for (const [chain, lines] of rules.chains) {
      own.add(chain);
      plan.growth.nat += lines.length;
      if (!sameLines(saved.nat.get(chain), lines)) plan.declare('nat', chain, lines);
    }
  }
  yield;
  for (const table of tables) {
    for (const [chain, rules] of wanted[table]) {
      const tail = next.tail.filter((one) => one.table === table && one.chain === chain).map(({ rule }) => rule);
      planDispatch(plan, { table, chain, rules, tail }, saved[table].get(chain));
      yield;
    }
    for (const chain of saved[table].keys())
      if (isServiceChain(chain) && !(table === 'nat' && own.has(chain))) plan.drop(table, chain);
    for (const { table: of, from, rule } of jumps)
      if (of === table && saved[table].get(from)?.includes(rule) !== true) plan.base(table, `-I ${from} 1 ${rule}`);
  }
  return plan;
}

function planStanding(plan: Plan, standing: Ruleset, saved: Ruleset): void {
  for (const table of tables) {
    for (const [chain, rules] of standing[table]) {
      const found = saved[table].get(chain);
      // The kubelet may have rules of its own in the chain that both share.
      const right = chain === chains.firewall ? rules.every((rule) => found?.includes(rule)) : sameLines(found, rules);
      if (found === undefined) plan.declare(table, chain, rules);
      else if (!right && chain === chains.firewall) for (const rule of rules) plan.append(table, chain, rule);
      else if (!right) plan.declare(table, chain, rules);
    }
  }
}

interface SharedChain {
  table: Table;
  chain: string;
  rules: readonly string[];
  tail: readonly string[];
}

function planDispatch(plan: Plan, { table, chain, rules, tail }: SharedChain, found: readonly string[] | undefined): void {
  if (found === undefined) plan.declare(table, chain, []);
  const present = found ?? [];
  const tailStands = sameLines(present.slice(present.length - tail.length), tail);
  const missing: RuleCounts = new Map();
  for (const rule of rules) missing.set(rule, count(missing, rule) + 1);
  const removed: string[] = [];
  for (const rule of tailStands ? present.slice(0, present.length - tail.length) : present) {
    const left = count(missing, rule);
    if (left === 0) removed.push(rule);
    else missing.set(rule, left - 1);
  }
  // To remove a rule, iptables compares it with every rule of the chain; to write the chain anew is then faster, though its time grows with the
  // square of the rules.
  if (removed.length > 100 && removed.length > rules.length / 30) {
    plan.declare(table, chain, [...rules, ...tail]);
    return;
  }
  for (const rule of removed) plan.remove(table, chain, rule);
  for (const [rule, times] of missing) for (let index = 0; index < times; index++) plan.insert(table, chain, rule);
  if (!tailStands) for (const rule of tail) plan.append(table, chain, rule);
}

/**
 * Whether `saved` still holds `applied`: each chain has as many rules, and the kernel's own chains lead to it. The numbers of
 * rules are compared, because another release of iptables may print a rule in another spelling.
 */
export function* inPlaceSteps(applied: CompiledState, saved: Ruleset): Steps<boolean> {
  const counts: Record<Table, Map<string, number>> = { mangle: new Map(), filter: new Map(), nat: new Map() };
  for (const table of tables) for (const chain of dispatchChains[table]) counts[table].set(chain, 0);
  const add = (table: Table, chain: string): unknown => counts[table].set(chain, (counts[table].get(chain) ?? 0) + 1);
  for (const [index, port] of applied.ports.entries()) {
    if (index % portsPerStep === 0) yield;
    const rules = applied.rulesOf(port);
    for (const [chain, lines] of rules.chains) if (saved.nat.get(chain)?.length !== lines.length) return false;
    for (const { table, chain } of rules.dispatch) add(table, chain);
  }
  for (const { table, chain } of applied.tail) add(table, chain);
  for (const table of tables) for (const [chain, rules] of applied.standing[table]) counts[table].set(chain, rules.length);
  return tables.every((table) => {
    const chainsStand = [...counts[table]].every(([chain, wanted]) => {
      const found = saved[table].get(chain)?.length;
      return found !== undefined && (chain === chains.firewall ? found >= wanted : found === wanted);
    });
    const reached = jumps.every(
      ({ table: of, from, to }) => of !== table || saved[table].get(from)?.some((rule) => targetOf(rule) === to) === true,
    );
    return chainsStand && reached;
  });
}

/**
 * What removes everything a proxy has written in any run: first the jumps to its chains, then the chains. KUBE-FIREWALL
 * belongs to the kubelet too: it stays when the kubelet's canary exists, or when it has foreign rules.
 */
export function cleanupPlan(saved: Ruleset): Plan {
  const kubeletIsHere = tables.some((table) => saved[table].has(kubeletCanary));
  const firewallIsOurs =
    !kubeletIsHere && (saved.filter.get(chains.firewall) ?? []).every((rule) => rule.includes(localnetComment));
  const standing: ReadonlySet<string> = new Set(
    Object.values(chains).filter((chain) => chain !== chains.firewall || firewallIsOurs),
  );
  const isOurs = (chain: string): boolean => standing.has(chain) || isServiceChain(chain);
  const plan = new Plan();
  for (const table of tables) {
    for (const [chain, rules] of saved[table]) {
      if (isOurs(chain)) plan.drop(table, chain);
      else for (const rule of rules) if (isOurs(targetOf(rule) ?? '')) plan.base(table, `-D ${chain} ${rule}`);
    }
  }
  return plan;
}

/** The chain or target that a rule jumps to, in the spelling of iptables-save. Undefined for a rule without one. */
const targetOf = (rule: string): string | undefined => /(?:^| )-[jg] (\S+)/.exec(rule.replaceAll(/"(\\.|[^"\\])*"/g, '""'))?.[1];

/** The line of the input that iptables-restore refused: `line 12: -A …`. Undefined when its message names none. */
export function failedLine(stderr: string, input: string): string | undefined {
  const match = /line:? (\d+)/.exec(stderr);
  if (match?.[1] === undefined) return undefined;
  return `line ${match[1]}: ${input.split('\n')[Number(match[1]) - 1] ?? '(beyond the end of the input)'}`;
}
