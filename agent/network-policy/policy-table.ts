/** Our table of nftables: its name, and what can be done with it. */

/** The table with everything that is ours. */
export const policyTable = 'inet tinkernetes-network-policy';

/** Our table. Tests use another one in its place. */
export interface PolicyTable {
  /** Carries out one transaction: all of it or nothing. @throws ExecError */
  apply(script: string): Promise<void>;
  /** What stands in the kernel; undefined when the table is not there. @throws ExecError */
  read(): Promise<TableShape | undefined>;
  /** Removes the table; it is no error when it is not there. @throws ExecError */
  remove(): Promise<void>;
}

/** As much of a table as tells whether others have changed it: how many rules each chain has, and the names of its sets and maps. */
export interface TableShape {
  chains: ReadonlyMap<string, number>;
  sets: ReadonlySet<string>;
}
