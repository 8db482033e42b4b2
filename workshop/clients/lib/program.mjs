import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The web browser of programs that open one. */
const BROWSER = `${ROOT}browser`;

/**
 * Runs a program of an npm package without standard input. Its time limit is a minute.
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
 * Like {@link run}, for a file in the folder `python`, with the packages of a file in `requirements`.
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
 * The environment of a program that lets a person sign in.
 *
 * @param {string} person the short name: `ada`
 * @param {string} home the program's home folder
 */
export function signInEnvironment(person, home) {
  // Without a terminal, the Inspector opens a browser only with this variable.
  return { BROWSER, SIGN_IN_AS: person, HOME: home, MCP_AUTO_OPEN_ENABLED: 'true' };
}

/** Creates an empty home folder, so that no sign-in is remembered. */
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
