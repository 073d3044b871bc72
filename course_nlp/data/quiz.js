// Makes every quiz on the page answerable. Where this script does not run, a quiz is a readable list of questions,
// each with its answer folded below: everything the script knows, it reads from there.
(() => {
  "use strict";

  const make = (tag, name, text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });

  function button(text, action, name = "") {
    const made = Object.assign(make("button", name, text), { type: "button" });
    made.addEventListener("click", action);
    return made;
  }

  function judge(picked, right) {
    const wrong = picked.some((on, i) => on && !right[i]);
    const missing = picked.some((on, i) => !on && right[i]);
    if (!wrong && !missing) return [true, "Right."];
    if (wrong && missing) return [false, "Not yet: something you chose is wrong, and something right is missing."];
    if (wrong) return [false, "Not yet: all that is right is among your choices, but so is something wrong."];
    return [false, "Not yet: what you chose is right, but something is missing."];
  }

  function ask(field, changed) {
    const options = [...field.querySelectorAll(":scope > ul > li")];
    const boxes = options.map((option) => option.querySelector("input"));
    const answers = [...field.querySelectorAll("details li")];
    const right = answers.map((answer) => "right" in answer.dataset);
    const state = { tries: 0, right: false, first: false };

    const verdict = make("p", "cq-verdict");
    verdict.setAttribute("role", "status"); // read out when it changes
    const check = button("Check", checkIt, "cq-main");
    const again = button("Try again", tryAgain);
    const show = button("Show the answer", showIt);
    const row = make("div", "cq-row");
    row.append(check, again, show, verdict);
    field.querySelector("details").replaceWith(row);
    tidy();

    function tidy() {
      field.querySelectorAll(".cq-why").forEach((why) => why.remove());
      options.forEach((option) => option.classList.remove("cq-right", "cq-wrong"));
      boxes.forEach((box) => Object.assign(box, { checked: false, disabled: false, ariaDescribedByElements: null }));
      say("", "");
      check.hidden = false;
      again.hidden = show.hidden = true;
    }

    function say(text, name) {
      verdict.textContent = text;
      verdict.className = `cq-verdict ${name}`;
    }

    // After a wrong try only what was chosen is explained: the rest would give the answer away.
    function close(explained, complete) {
      options.forEach((option, i) => {
        boxes[i].disabled = true;
        if (!explained(i)) return;
        const why = make("div", "cq-why");
        why.append(answers[i].lastElementChild.cloneNode(true)); // without the letter before it
        option.append(why);
        option.classList.add(right[i] ? "cq-right" : "cq-wrong");
        boxes[i].ariaDescribedByElements = [why];
      });
      check.hidden = true;
      again.hidden = false;
      show.hidden = complete;
      again.focus();
      changed();
    }

    function checkIt() {
      const picked = boxes.map((box) => box.checked);
      if (!picked.includes(true)) return say("Choose at least one option first.", "");
      const [ok, text] = judge(picked, right);
      state.tries += 1;
      state.first ||= ok && state.tries === 1;
      state.right ||= ok;
      say(text, ok ? "cq-right" : "cq-wrong");
      close((i) => ok || picked[i], ok);
    }

    function showIt() {
      const picked = boxes.map((box) => box.checked);
      tidy();
      boxes.forEach((box, i) => { box.checked = picked[i]; });
      say("Every option is explained above.", "");
      close(() => true, true);
    }

    function tryAgain() {
      tidy();
      boxes[0].focus();
    }

    function reset() {
      Object.assign(state, { tries: 0, right: false, first: false });
      tidy();
    }

    return { state, reset, focus: () => boxes[0].focus() };
  }

  function start(quiz) {
    quiz.dataset.live = "";
    const questions = [...quiz.querySelectorAll("fieldset")].map((field) => ask(field, report));
    const score = make("p", "cq-score");
    const over = button("Start over", () => {
      questions.forEach((question) => question.reset());
      report();
      questions[0].focus();
    });
    const row = make("div", "cq-row cq-total");
    row.append(score, over);
    quiz.append(row);
    // JupyterLab takes Enter for "edit the cell" and two d's for "delete it", unless the focused element itself objects.
    quiz.querySelectorAll("input, button").forEach((part) => { part.dataset.lmSuppressShortcuts = "true"; });
    report();

    function report() {
      const count = (key) => questions.filter((question) => question.state[key]).length;
      score.textContent = `${count("right")} of ${questions.length} right, ${count("first")} at the first try.`;
      over.hidden = count("tries") === 0;
    }
  }

  document.querySelectorAll(".course-quiz:not([data-live])").forEach(start);
})();
