/** What the tests of `backend.contract.ts` need from a backend. */
import type { Exec } from '#agent/host/exec.ts';
import type { Backend, BackendOptions } from './backend.ts';
import type { ServiceState } from './state.ts';

export interface BackendUnderTest {
  name: string;
  /** Whether node ports answer on 127.0.0.1. */
  localhostNodePorts: boolean;
  /** Makes a backend without knowledge of an earlier one, as after a restart of the agent. */
  create(exec: Exec, options: BackendOptions): Backend;
  /** Dumps all IPv4 rules, foreign ones included. Equal rules give an equal dump, even when the order of the chains differs. */
  dump(exec: Exec): Promise<string>;
  /** Ways in which other programs may damage the rules, as argvs. The state has one service. */
  damages: readonly {
    what: string;
    argvs(state: ServiceState): readonly (readonly string[])[];
    /** Whether {@link Backend.probe} notices it, too. */
    isProbed: boolean;
  }[];
  /** The argvs that delete everything a partial update builds on. */
  wipe: readonly (readonly string[])[];
  /** Foreign rules at the places where they disturb most: in the same tables, in chains that this backend jumps from. */
  foreign: readonly (readonly string[])[];
}
