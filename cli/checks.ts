/** Checks the values of flags before anything starts, so that an error message can name the flag. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { makeFolder } from '#agent/host/make-folder.ts';
import { isDns1123Subdomain } from '#api/names.ts';

/** Checks a file. @throws Error unless it can be read */
export function checkFile(flag: string, path: string): void {
  try {
    accessSync(path, constants.R_OK);
    if (statSync(path).isFile()) return;
  } catch (error) {
    throw new Error(`${flag} ${path}: ${reason(error)}`, { cause: error });
  }
  throw new Error(`${flag} ${path}: not a file`);
}

/** The text of the file that a flag names. Undefined where the flag is not given, or is empty. @throws Error unless it can be read */
export function textOf(flag: string, path: string | undefined): string | undefined {
  if (path === undefined || path === '') return undefined;
  checkFile(flag, path);
  return readFileSync(path, 'utf8');
}

/** Checks a folder, and makes it when it does not exist. @throws Error unless it can be written to */
export function checkFolder(flag: string, path: string): void {
  try {
    makeFolder(resolve(path));
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new Error(`${flag} ${path}: ${reason(error)}`, { cause: error });
  }
}

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'this user may not use it',
  EPERM: 'this user may not use it',
  ENOTDIR: 'a file stands where a folder is needed',
  EROFS: 'it is on a read-only file system',
  ENOSPC: 'no space is left on the disk: free some',
  EDQUOT: "this user's disk quota is used up: free some space",
};

function reason(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return reasons[code] ?? message;
}

/** The address that VirtualBox gives to every VM on its interface to the Internet. */
const natAddress = '10.0.2.15';

/** The machine's first IPv4 address that is not a loopback address, and not one that every VM of Vagrant has. @throws Error when it has none */
export function firstAddress(flag: string): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const usable = addresses.filter(({ family, internal }) => family === 'IPv4' && !internal);
  const found = usable.find(({ address }) => address !== natAddress) ?? usable[0];
  if (found === undefined) throw new Error(`this machine has no address to use: give it with ${flag}`);
  return found.address;
}

/** Checks an IP address. @returns it as it is written @throws Error when it is malformed */
export function checkAddress(flag: string, text: string): string {
  if (isIP(text) === 0) throw new Error(`${flag} ${text}: give an IP address`);
  return text;
}

/** Checks a Node's name: it must be a DNS-1123 subdomain. @throws Error when it is not */
export function checkNodeName(flag: string, name: string): void {
  if (isDns1123Subdomain(name).length > 0)
    throw new Error(`${flag} ${name}: give a node's name, of lower-case letters, digits, "-" and "."`);
}

/** The message of an error in the user's words, for example which port is taken instead of EADDRINUSE. */
export function explain(error: Error): string {
  const { code, syscall, address = '', port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (port === undefined || (syscall !== 'listen' && syscall !== 'bind')) return error.message;
  if (code === 'EADDRINUSE')
    return `port ${port} on ${address} is taken by another program: stop it ("ss -ltnup sport = :${port}" shows it), or use another address or port`;
  if (code === 'EADDRNOTAVAIL')
    return `${address} is not an address of this machine: port ${port} cannot be served there ("ip address" lists the addresses)`;
  if (code === 'EACCES') return `this user may not serve port ${port} on ${address}: use root, or a port above 1023`;
  return error.message;
}
