/**
 * Finds out whether something is so, and prints a line about it.
 *
 * @param {string} sentence that is true if `body` does not throw
 * @param {() => Promise<void>} body
 */
export async function check(sentence, body) {
  try {
    await body();
    console.log(`ok ${sentence}`);
  } catch (error) {
    console.log(`FAILED ${sentence}: ${error.message.replace(/\s+/g, ' ')}`);
    process.exitCode = 1;
  }
}
