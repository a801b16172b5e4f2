/** The rules in the kernel, for tests that compare them. */
import type { Exec } from '#agent/host/exec.ts';
import { parseSave } from './restore.ts';

/** Chains and rules as `iptables-save` tells; the order of rules counts, that of chains does not. A built-in chain without rules is left out. */
export async function dumpIptables(exec: Exec): Promise<string> {
  const saved = parseSave((await exec(['iptables-save'])).stdout);
  const lines = Object.entries(saved).flatMap(([table, chains]) =>
    [...chains]
      .filter(([chain, rules]) => rules.length > 0 || !builtIn.has(chain))
      .map(([chain, rules]) => [`${table} ${chain}`, ...rules].join('\n')),
  );
  return lines.sort().join('\n');
}

const builtIn = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']);
