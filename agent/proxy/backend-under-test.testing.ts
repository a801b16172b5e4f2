/** What a backend says of itself to be tried by `backend.contract.ts`. */
import type { Exec } from '#agent/host/exec.ts';
import type { Backend, BackendOptions } from './backend.ts';
import type { ServiceState } from './state.ts';

export interface BackendUnderTest {
  name: string;
  /** A new backend that knows of no earlier one, as after a restart of the agent. */
  create(exec: Exec, options: BackendOptions): Backend;
  /** All rules of the address family IPv4, those of others included; equal for equal rules, whatever order their chains have. */
  dump(exec: Exec): Promise<string>;
  /** Each way in which somebody may break the rules: program calls. The state has one service. */
  damages: readonly { what: string; argvs(state: ServiceState): readonly (readonly string[])[] }[];
  /** Program calls that take away all that an update would build upon. */
  wipe: readonly (readonly string[])[];
  /** Rules of somebody else, where they are in the way the most: in the same tables, in chains that this backend jumps from. */
  foreign: readonly (readonly string[])[];
}
