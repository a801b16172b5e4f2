/**
 * `--token-auth-file`: tokens that are valid until the server restarts. Each line is `token,user,uid,"group1,group2"`.
 *
 * Source: apiserver `pkg/authentication/token/tokenfile`; kubernetes.io, Authenticating (static token file).
 */
import { readFileSync } from 'node:fs';
import { errorText } from '#api/error-text.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { ServerLog } from '../serving/server-log.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import { type CsvRecord, parseCsv } from './csv.ts';

/** The file is invalid. The message has its name and, if possible, the line, but never a token. */
export class TokenFileError extends Error {
  override name = 'TokenFileError';
}

/** Reads the file, once. @throws TokenFileError */
export function tokenFile(path: string, log: ServerLog): TokenAuthenticator {
  const users = new Map<string, UserInfo>();
  for (const { line, fields } of read(path)) {
    const [token = '', name, uid, groups] = fields;
    if (name === undefined || uid === undefined)
      throw new TokenFileError(
        `token file '${path}' must have at least 3 columns (token, user name, user uid), found ${fields.length} on line ${line}`,
      );
    if (token === '') {
      log.warn({ path, line }, 'a line of the token file has an empty token, and is left out');
      continue;
    }
    if (users.has(token)) log.warn({ path, line }, 'a line of the token file repeats a token, and replaces the earlier one');
    users.set(token, { name, uid, groups: groups === undefined ? [] : groups.split(','), extra: {} });
  }
  return {
    authenticateToken(token) {
      const user = users.get(token);
      return user === undefined ? undefined : { user };
    },
  };
}

/** @throws TokenFileError */
function read(path: string): CsvRecord[] {
  try {
    return parseCsv(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new TokenFileError(`token file '${path}' cannot be read: ${errorText(error)}`, { cause: error });
  }
}
