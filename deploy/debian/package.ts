/** Builds `tinkernetes_<version>_<architecture>.deb` with dpkg-deb. */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Exec } from '#agent/host/exec.ts';
import { version } from '#cli/version.ts';
import { type Architecture, executablePath, programNames } from '../executable.ts';
import { afterInstall, controlFile, type PackageFile, packageFiles } from './package-files.ts';

const debianNames: Readonly<Record<Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };
const executable = 'usr/lib/tinkernetes/tinkernetes';

/** @param folder receives the package @returns its path @throws ExecError; Error of the filesystem when the executable is not built */
export async function buildPackage(architecture: Architecture, folder: string, exec: Exec): Promise<string> {
  const name = debianNames[architecture];
  const path = join(folder, `tinkernetes_${version}_${name}.deb`);
  const root = mkdtempSync(join(tmpdir(), 'tinker-deb-'));
  try {
    chmodSync(root, 0o755);
    const files = await packageFiles();
    for (const file of files) write(root, file);
    makeParent(root, executable);
    copyFileSync(executablePath(architecture), join(root, executable));
    chmodSync(join(root, executable), 0o755);
    makeParent(root, 'usr/bin/tinker');
    for (const program of programNames) symlinkSync(`../lib/tinkernetes/tinkernetes`, join(root, 'usr/bin', program));
    const bytes = files.reduce((sum, { content }) => sum + Buffer.byteLength(content), statSync(join(root, executable)).size);
    write(root, { path: 'DEBIAN/control', content: controlFile(name, bytes) });
    write(root, { path: 'DEBIAN/postinst', content: afterInstall, mode: 0o755 });
    write(root, { path: 'DEBIAN/postrm', content: afterInstall, mode: 0o755 });
    await exec(['dpkg-deb', '--root-owner-group', '-Zgzip', '-z6', '--build', root, path], { timeoutMs: 600_000 });
    return path;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function makeParent(root: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
}

function write(root: string, { path, content, mode = 0o644 }: PackageFile): void {
  makeParent(root, path);
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}
