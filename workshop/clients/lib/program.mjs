import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The web browser for programs that open one. */
const BROWSER = `${ROOT}browser`;

/**
 * Runs a program of an npm package to its end, at most a minute, without standard input.
 *
 * @param {string} name of the program
 * @param {string[]} args
 * @param {Record<string, string>} [environment] to add to this process's
 * @returns {Promise<{ status: number, stdout: string, stderr: string }>}
 */
export function run(name, args, environment) {
  return execute(program(name), args, environment);
}

/**
 * As {@link run}, a file of the folder `python` with the packages of a file in `requirements`.
 *
 * @param {string} requirements the file's name without `.txt`
 * @param {string} name of the program without `.py`
 */
export function runPython(requirements, name, args, environment) {
  return execute(`${ROOT}.venv/${requirements}/bin/python`, [`${ROOT}python/${name}.py`, ...args], environment);
}

/** The path of an npm package's program. */
export function program(name) {
  return `${ROOT}node_modules/.bin/${name}`;
}

/**
 * The environment of a program that is to sign somebody in.
 *
 * @param {string} person the short name: `ada`
 * @param {string} home the folder where it keeps what it likes
 */
export function signInEnvironment(person, home) {
  // The Inspector opens a browser without a terminal only if it is told to.
  return { BROWSER, SIGN_IN_AS: person, HOME: home, MCP_AUTO_OPEN_ENABLED: 'true' };
}

/** Makes a home in which nobody has ever signed in. */
export function newHome() {
  return mkdtemp(join(process.env.HOME, 'home-'));
}

function execute(path, args, environment) {
  return new Promise((resolve, reject) => {
    const options = { timeout: 60_000, env: { ...process.env, ...environment } };
    const child = execFile(path, args, options, (error, stdout, stderr) => {
      if (error?.killed) reject(new Error(`${path} did not end within a minute`));
      else if (error && typeof error.code !== 'number') reject(error);
      else resolve({ status: error?.code ?? 0, stdout, stderr });
    });
    child.stdin.end();
  });
}
