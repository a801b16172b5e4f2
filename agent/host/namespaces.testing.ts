/** Real network namespaces for tests, and the removal of everything that a test has made in them. Needs root. */
import { type Exec, execFile } from './exec.ts';

export interface TestNamespace {
  /** The name under /run/netns. */
  name: string;
  /** Runs a program in the namespace. */
  exec: Exec;
}

/** `ip <args>` in the namespace that the test itself runs in; `-n <namespace>` for another. */
export const ip = (...args: string[]): Promise<unknown> => execFile(['ip', ...args]);

export class TestNamespaces {
  readonly #prefix: string;
  readonly #undo: (() => Promise<unknown>)[] = [];

  /** @param prefix prefix of the namespaces' names, different for each network; the process ID is added */
  constructor(prefix: string) {
    this.#prefix = `${prefix}-${process.pid}`;
  }

  /** An empty namespace, in which only the loopback device is up. */
  async add(name: string): Promise<TestNamespace> {
    const namespace = `${this.#prefix}-${name}`;
    await ip('netns', 'add', namespace);
    this.onClose(() => ip('netns', 'del', namespace));
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    return { name: namespace, exec: (argv, options) => execFile(['nsenter', `--net=/run/netns/${namespace}`, ...argv], options) };
  }

  /** Registers how to undo a step. Call it as soon as the step is done. */
  onClose(undo: () => Promise<unknown>): void {
    this.#undo.push(undo);
  }

  /** Undoes all registered steps, the last one first. */
  async close(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  /** Returns what `make` returns. When it fails, everything is undone. */
  async whole<T>(make: () => Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (error) {
      await this.close();
      throw error;
    }
  }
}
