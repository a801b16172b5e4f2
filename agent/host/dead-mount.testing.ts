/** Mounts a FUSE filesystem that has lost its server: every access fails with ENOTCONN, as after a crash of the server. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';

/** The reason why such a mount cannot be made here; false when it can. */
export const noDeadMounts = existsSync('/dev/fuse') ? false : 'this kernel has no FUSE';

/** Mounts one at `path`. Needs root. Source: kernel `Documentation/filesystems/fuse.rst`. */
export function mountDead(path: string): void {
  const connection = openSync('/dev/fuse', 'r+');
  try {
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
    const stdio = ['ignore', 'ignore', 'pipe', connection] as const;
    const { status, stderr } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'dead', path], { stdio: [...stdio] });
    if (status !== 0) throw new Error(`mount -t fuse: ${String(stderr)}`);
  } finally {
    closeSync(connection);
  }
}
