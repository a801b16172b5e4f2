/** Dumps the kernel's rules for tests that compare them. */
import type { Exec } from '#agent/host/exec.ts';
import { parseSave } from './restore.ts';

/**
 * The chains and rules of `iptables-save`. Rules keep their order, chains are sorted. Built-in chains without rules are left out.
 */
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
