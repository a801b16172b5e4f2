/** Reads and sets kernel parameters in the network namespace of the proxy. */
import { type Exec, ExecError } from '#agent/host/exec.ts';

/** The kernel parameters under /proc/sys. */
export interface Sysctl {
  /** The value; undefined when the kernel has no such parameter (for example because its module is not loaded). */
  get(name: string): Promise<number | undefined>;
  /** Sets a parameter. @throws ExecError when it cannot be set */
  set(name: string, value: number): Promise<void>;
}

/** Runs procps' `sysctl`. Names have dots: `net.ipv4.conf.all.route_localnet`. */
export function execSysctl(exec: Exec): Sysctl {
  return {
    async get(name) {
      try {
        const value = Number((await exec(['sysctl', '-n', name])).stdout.trim());
        return Number.isNaN(value) ? undefined : value;
      } catch (error) {
        if (error instanceof ExecError && error.result.exitCode > 0) return undefined;
        throw error;
      }
    },
    async set(name, value) {
      await exec(['sysctl', '-q', '-w', `${name}=${value}`]);
    },
  };
}
