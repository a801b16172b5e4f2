/**
 * Finds the busybox for the lab's images. Debian 12's version (1.35) crashes on `wget -T` and does not know `--timeout`, which
 * tutorials use often; the next Debian's version works. It is downloaded from apt's package mirrors with apt's own fetcher (with
 * its proxies and credentials), verified by its checksum, and cached. An installed version that is newer is used instead.
 *
 * Source: apt-get(8) `indextargets`, /usr/share/doc/apt/acquire-additional-files.md; deb(5).
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Exec } from '#agent/host/exec.ts';
import { errorText } from '#api/error-text.ts';

/** The busybox that the images get. */
export interface Busybox {
  path: string;
  /** For example `1.37`. */
  version: string;
  /** A note for the user why an old version is used; undefined when it is new enough. */
  note: string | undefined;
}

interface Package {
  /** Path below the root of a mirror. */
  file: string;
  sha256: string;
}

/** `busybox-static` 1:1.37.0-6+b9 of Debian 13 for each architecture, from Debian's `Packages` files. */
const packages: Readonly<Record<string, Package>> = {
  x64: {
    file: 'pool/main/b/busybox/busybox-static_1.37.0-6+b9_amd64.deb',
    sha256: '598a3fd92bdafc34cd81196b2952ad36e910e47a4ecf162f8ce5e8e262598e53',
  },
  arm64: {
    file: 'pool/main/b/busybox/busybox-static_1.37.0-6+b9_arm64.deb',
    sha256: 'c833be48abfa16bc19c4966ec93e289ff1ce5d2f1476cad3a57bd105378cd15c',
  },
};
const wanted = [1, 37] as const;
const installed = '/bin/busybox';
const fetchTimeoutMs = 60_000;
const cacheFolder = fileURLToPath(new URL('../../node_modules/.cache/tinkernetes', import.meta.url));

/** What the search works with. */
export interface BusyboxOptions {
  exec: Exec;
  /** Folder of downloaded versions. */
  cache?: string;
  installedPath?: string;
  /** The package to download. Undefined: there is none for this architecture. */
  package?: Package | undefined;
}

/** Finds a version that is new enough. When there is none, returns the installed one with {@link Busybox.note}. */
export async function findBusybox(options: BusyboxOptions): Promise<Busybox> {
  const { exec, cache = cacheFolder, installedPath = installed } = options;
  const pinned = 'package' in options ? options.package : packages[process.arch];
  const own = await versionOf(installedPath, exec);
  if (isNewEnough(own)) return { path: installedPath, version: own, note: undefined };
  if (pinned === undefined) return older(installedPath, own, `there is no newer package for ${process.arch}`);
  const path = join(cache, `busybox-${pinned.sha256.slice(0, 16)}`);
  if (existsSync(path)) return { path, version: await versionOf(path, exec), note: undefined };
  // Any failure of the download (broken apt sources, a full disk) becomes a note: the lab also works with the old version.
  const problem = await download(pinned, path, cache, exec).catch(
    (error: unknown) => `A newer one cannot be had: ${errorText(error)}`,
  );
  return problem === undefined
    ? { path, version: await versionOf(path, exec), note: undefined }
    : older(installedPath, own, problem);
}

function older(path: string, version: string, why: string): Busybox {
  return {
    path,
    version,
    note: `busybox in the images is ${version}: its wget crashes on -T and knows no --timeout. ${why}`,
  };
}

/** Downloads the package. @returns why it is not available; undefined when it is in the cache */
async function download(pinned: Package, path: string, cache: string, exec: Exec): Promise<string | undefined> {
  const mirrors = await debianMirrors(exec);
  if (mirrors.length === 0) return 'A newer one is in Debian 13; apt is set up with no mirror of Debian to take it from';
  const folder = await mkdtemp(join(tmpdir(), 'tinkernetes-busybox-'));
  const archive = join(folder, 'busybox.deb');
  const problems: string[] = [];
  try {
    for (const mirror of mirrors) {
      const uri = `${mirror}${pinned.file.replaceAll('+', '%2b')}`;
      const problem = await fetchTo(uri, archive, pinned.sha256, exec);
      if (problem === undefined) {
        await unpack(archive, folder, path, cache, exec);
        return undefined;
      }
      problems.push(problem);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return `A newer one (${pinned.file.slice(pinned.file.lastIndexOf('/') + 1)}) cannot be had from apt's mirrors: ${problems.join('; ')}`;
}

async function fetchTo(uri: string, archive: string, sha256: string, exec: Exec): Promise<string | undefined> {
  const quick = ['Acquire::Retries=0', 'Acquire::http::Timeout=15', 'Acquire::https::Timeout=15'].flatMap((one) => ['-o', one]);
  try {
    const argv = ['/usr/lib/apt/apt-helper', ...quick, 'download-file', uri, archive, `SHA256:${sha256}`];
    await exec(argv, { timeoutMs: fetchTimeoutMs, env: { LC_ALL: 'C.UTF-8' } });
    // apt checks the checksum too. This check makes sure before the program is run.
    const found = createHash('sha256')
      .update(await readFile(archive))
      .digest('hex');
    return found === sha256 ? undefined : 'what came has another checksum';
  } catch (error) {
    const text = errorText(error);
    const line =
      text.split('\n').findLast((one) => one.startsWith('E: ')) ?? text.split('\n').findLast((one) => one.trim() !== '') ?? '';
    return line.replace(/^E: /, '').trim();
  }
}

async function unpack(archive: string, folder: string, path: string, cache: string, exec: Exec): Promise<void> {
  const tree = join(folder, 'tree');
  await exec(['dpkg-deb', '--extract', archive, tree]);
  const binary = ['usr/bin/busybox', 'bin/busybox'].map((name) => join(tree, name)).find((one) => existsSync(one));
  if (binary === undefined) throw new Error(`${archive} holds no busybox`);
  await mkdir(cache, { recursive: true });
  // Copied to a temporary name and renamed: the folders may be on different disks, and an interrupted copy must not look
  // complete.
  await exec(['install', '-m', '0755', binary, `${path}.${process.pid}`]);
  await rename(`${path}.${process.pid}`, path);
}

/** The roots of apt's Debian mirrors, in apt's order, each with a slash at the end. */
export async function debianMirrors(exec: Exec): Promise<string[]> {
  const format = '$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)';
  const { stdout } = await exec(['apt-get', 'indextargets', '--format', format, 'Identifier: Packages']);
  const mirrors: string[] = [];
  for (const line of stdout.split('\n')) {
    const [uri = '', origin = '', label = '', component = ''] = line.split('|');
    // Both fields are empty before the lists are fetched. A request then shows what the mirror has.
    if (uri === '' || component !== 'main' || !['Debian', ''].includes(origin) || !['Debian', ''].includes(label)) continue;
    mirrors.push(...(uri.startsWith('mirror') ? await listedMirrors(uri) : [uri]));
  }
  return [...new Set(mirrors.map((uri) => (uri.endsWith('/') ? uri : `${uri}/`)))];
}

/**
 * Reads `mirror+file:/etc/apt/mirrors/debian.list`: one mirror per line, followed by options. Only apt can read other forms of
 * lists.
 */
async function listedMirrors(uri: string): Promise<string[]> {
  const path = /^mirror\+file:(?:\/\/)?(\/.*?)\/?$/.exec(uri)?.[1];
  if (path === undefined) return [uri];
  const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.trim().split(/\s+/)[0] ?? '');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

async function versionOf(path: string, exec: Exec): Promise<string> {
  const { stdout } = await exec([path, '--help']);
  return /^BusyBox v(\d+\.\d+)/.exec(stdout)?.[1] ?? '';
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > wanted[0] || (major === wanted[0] && minor >= wanted[1]);
}
