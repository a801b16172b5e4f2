/** Dumps the kernel's rules for tests that compare them. */
import type { Exec } from '#agent/host/exec.ts';
import type { Table } from './chains.ts';
import { parseSave } from './restore.ts';
import { dispatchChains } from './ruleset.ts';

/**
 * The chains and rules of `iptables-save`. Chains are sorted. Rules keep their order, except in chains that services share: there the order
 * of services has no meaning, and only the rules for node ports at their end are kept in their place. Built-in chains without rules are left out.
 */
export async function dumpIptables(exec: Exec): Promise<string> {
  const saved = parseSave((await exec(['iptables-save'])).stdout);
  const lines = Object.entries(saved).flatMap(([table, chains]) =>
    [...chains]
      .filter(([chain, rules]) => rules.length > 0 || !builtIn.has(chain))
      .map(([chain, rules]) => {
        const shared = dispatchChains[table as Table].includes(chain);
        const end = rules.findIndex((rule) => rule.includes('this must be the last rule'));
        const services = end === -1 ? rules : rules.slice(0, end);
        return [`${table} ${chain}`, ...(shared ? services.toSorted() : services), ...rules.slice(services.length)].join('\n');
      }),
  );
  return lines.sort().join('\n');
}

const builtIn = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']);
