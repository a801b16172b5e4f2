/** Kernel settings of the network namespace that the proxy runs in. */
import { type Exec, ExecError } from '#agent/host/exec.ts';

export interface Sysctl {
  /** Undefined where the kernel has no such setting (its module is not loaded). */
  get(name: string): Promise<number | undefined>;
  /** @throws when the setting cannot be written */
  set(name: string, value: number): Promise<void>;
}

/** Through `sysctl` of procps; names with dots: `net.ipv4.conf.all.route_localnet`. */
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
