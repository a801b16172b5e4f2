/** Applies a ruleset with one iptables-restore, which writes only the chains that have changed since the last call. */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import type { IpFamily } from '#api/ip.ts';
import type { Applied } from '../backend.ts';
import { cleanupRestore, failedLine, fullRestore, isInPlace, parseSave, partialRestore } from './restore.ts';
import { type Ruleset, renderRuleset } from './ruleset.ts';

/** What the applier works with. */
export interface ApplierDeps {
  exec: Exec;
  /** Is told when a partial update failed and everything is written instead. */
  warn(message: string): void;
}

/** Applies rules as text, chain by chain. Calls must not overlap. */
interface RuleApplier {
  /**
   * Makes the kernel's rules those of `next`; atomic per table.
   * @throws RestoreError when the full ruleset was refused too; the next call then writes everything
   */
  apply(next: Ruleset): Promise<Applied>;
  /**
   * Whether iptables accepts `next`. Nothing is changed (`iptables-restore --test`). @throws any error other than RestoreError
   */
  accepts(next: Ruleset): Promise<boolean>;
  /** Makes the next {@link apply} write everything. */
  invalidate(): void;
  /**
   * Whether the applied rules are still in the kernel (see {@link isInPlace}); true before the first call. After false, the next
   * {@link apply} writes everything.
   * @throws ExecError when the rules cannot be listed
   */
  intact(): Promise<boolean>;
  /** Removes everything a proxy has written, also in another run. @throws RestoreError @throws ExecError */
  remove(): Promise<void>;
}

/** iptables-restore refused its input. The message contains the refused line. */
export class RestoreError extends Error {
  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.name = 'RestoreError';
  }
}

const restoreTimeoutMs = 300_000;
const wait = ['-w', '5'] as const;

/** Makes the applier of one address family. */
export function createApplier({ exec, warn }: ApplierDeps, family: IpFamily = 'IPv4'): RuleApplier {
  const iptables = family === 'IPv4' ? 'iptables' : 'ip6tables';
  /** The rules that the kernel holds as far as this process knows. Undefined: unknown. */
  let current: Ruleset | undefined;

  async function save(): Promise<Ruleset> {
    return parseSave((await exec([`${iptables}-save`], { timeoutMs: restoreTimeoutMs })).stdout);
  }

  async function restore(text: string, ...options: string[]): Promise<void> {
    try {
      await exec([`${iptables}-restore`, ...wait, '--noflush', ...options], { stdin: text, timeoutMs: restoreTimeoutMs });
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      const line = failedLine(error.result.stderr, text);
      throw new RestoreError(`${iptables}-restore: ${error.result.stderr.trim()}${line === undefined ? '' : ` (${line})`}`, {
        cause: error,
      });
    }
  }

  async function applyFull(next: Ruleset): Promise<Applied> {
    current = undefined;
    await restore(fullRestore(next, await save()));
    current = next;
    return { mode: 'full', chains: next.nat.size + next.filter.size + next.mangle.size };
  }

  async function applyPartial(previous: Ruleset, next: Ruleset): Promise<Applied> {
    const { text, chains: count } = partialRestore(previous, next);
    if (text === '') return { mode: 'unchanged', chains: 0 };
    current = undefined;
    await restore(text);
    current = next;
    return { mode: 'partial', chains: count };
  }

  return {
    async apply(next) {
      if (current === undefined) return applyFull(next);
      try {
        return await applyPartial(current, next);
      } catch (error) {
        if (!(error instanceof RestoreError)) throw error;
        warn(`partial update refused, writing all rules: ${error.message}`);
        return applyFull(next);
      }
    },
    async accepts(next) {
      try {
        await restore(renderRuleset(next), '--test');
        return true;
      } catch (error) {
        if (error instanceof RestoreError) return false;
        throw error;
      }
    },
    invalidate() {
      current = undefined;
    },
    async intact() {
      if (current === undefined || isInPlace(current, await save())) return true;
      current = undefined;
      return false;
    },
    async remove() {
      current = undefined;
      const text = cleanupRestore(await save());
      if (text !== '') await restore(text);
    },
  };
}
