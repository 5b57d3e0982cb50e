# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Tryton's web client as a person uses it.

Everything is found by the names of models' fields and buttons and by the
identifiers of the client's toolbar, never by a translated text. Nothing
sleeps: each step waits for what it needs to see.
"""

import json

from selenium.common.exceptions import (
    ElementNotInteractableException, NoSuchElementException,
    StaleElementReferenceException)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import (
    invisibility_of_element)
from selenium.webdriver.support.ui import Select, WebDriverWait

SECONDS = 20
SIZE = (1280, 800)
PANE = '#tabcontent > .tab-pane.active'
# Between two answers of the server the client is idle for an instant.
SETTLE = """
const done = arguments[0];
const moving = animation => animation.playState === 'running'
    && animation.effect.getComputedTiming().endTime !== Infinity;
let calm = 0;
(function look() {
    const idle = window.jQuery !== undefined && jQuery.active === 0
        && jQuery(':animated').length === 0
        && !document.getAnimations().some(moving);
    calm = idle ? calm + 1 : 0;
    calm > 3 ? done() : setTimeout(look, 15);
})();
"""
NEW_ROW = """
return Sao.Tab.tabs.get_current().screen.current_view
    .widgets[arguments[0]]?.[0].but_new[0]
"""
IN_FRONT = """
const tab = Sao.Tab.tabs.get_current();
return [
    Sao.Tab.tabs.indexOf(tab), tab.screen?.current_view.view_type,
    jQuery('.modal-dialog:visible').length].join();
"""
PASSING = (
    ElementNotInteractableException, NoSuchElementException,
    StaleElementReferenceException)


class WebClient:
    "The client in a browser window, one user at a time"

    def __init__(self, driver, url, database, pictures):
        self.driver, self.pictures = driver, pictures
        self._url = f'{url}/#{database}'
        driver.set_script_timeout(SECONDS)
        self._resize(SIZE[1])

    # Waiting

    def until(self, condition, what):
        """Return the first true value of the condition.

        Raises TimeoutException that says what was waited for.
        """
        wait = WebDriverWait(
            self.driver, SECONDS, poll_frequency=0.05,
            ignored_exceptions=PASSING)
        return wait.until(lambda _: condition(), f"waited for {what}")

    def settle(self):
        "Wait until the client has asked the server all it wants to know"
        self.driver.execute_async_script(SETTLE)

    # Finding

    def visible(self, selector, inside=None):
        "Return the visible elements of a selector"
        found = (inside or self.driver).find_elements(
            By.CSS_SELECTOR, selector)
        return [element for element in found if element.is_displayed()]

    def scope(self):
        "Return what the user looks at: the dialog in front, else the tab"
        dialogs = self.visible('.modal-dialog')
        return dialogs[-1] if dialogs else self.visible(PANE)[0]

    def see(self, selector):
        "Wait for a visible element in front and return it"
        return self.until(
            lambda: self.visible(selector, self.scope()), selector)[0]

    def field(self, name):
        "Wait for the input of a field in front and return it"
        return self.see(', '.join(
                f'{tag}[name="{name}"]'
                for tag in ['input', 'select', 'textarea']))

    def editable(self, name):
        "Wait until a field may be changed and return its input"
        return self.see(', '.join(
                f'{tag}[name="{name}"]:not([readonly]):not([disabled])'
                for tag in ['input', 'select', 'textarea']))

    # Session

    def log_in(self, user):
        "Start from the log-in dialog; user has login and password"
        self.driver.get('about:blank')
        self.driver.execute_cdp_cmd('Network.clearBrowserCookies', {})
        self.driver.execute_cdp_cmd('Storage.clearDataForOrigin', {
                'origin': self._url.split('/#')[0], 'storageTypes': 'all'})
        self.driver.get(self._url)
        self._fill('#login', user.login)
        self._fill('#ask-dialog-entry', user.password)
        self.until(
            lambda: self.visible('#menu .treeview .column-char'), "the menu")
        self.settle()

    def _fill(self, selector, text):
        def enter():
            entry = self.visible(selector)[-1]
            entry.clear()
            entry.send_keys(text, Keys.ENTER)
            return True
        self.until(lambda: self.visible(selector), selector)
        self.until(enter, selector)

    def log_out(self):
        "Leave as the user menu does and wait for the log-in dialog"
        self.settle()
        self.driver.execute_script('Sao.logout()')
        self.answer()
        self.until(lambda: self.visible('#login'), "the log-in dialog")

    def open(self, *path):
        """Open an entry of the menu, given the names on the way to it.

        A click on a folder opens it; an entry may have its folder's name.
        """
        for depth, name in enumerate(path, 1):
            if depth < len(path) and self._entries(path[depth])[
                    name == path[depth]:]:
                continue
            entry = self.until(
                lambda name=name: self._entries(name),
                f"the menu entry {name}")[-1]
            entry.click()
            self.settle()

    def _entries(self, name):
        return self.visible(f'#menu .column-char[title="{name}"]')

    def hide_menu(self):
        "Fold the menu away at the left"
        self.settle()
        self.driver.execute_script(
            "jQuery('[data-toggle=menu]').click();"
            "document.activeElement.blur()")
        self.settle()

    # Lists

    def rows(self):
        "Return the visible rows of the list in front"
        return self.visible(
            'table.tree > tbody > tr:not(.more-row)', self.scope())

    def row(self, text):
        "Wait for the row that shows the text"
        def matching():
            return [row for row in self.rows() if text in row.text]
        return self.until(matching, f"the row {text}")[0]

    def tab(self, index):
        "Switch to a tab above the list, counted from 0"
        self.settle()
        self.visible('.nav-tabs > li > a', self.scope())[index].click()
        self.settle()

    def open_row(self, text=''):
        """Open what is behind a row with a double click beside its links.

        A list that is made anew between the two clicks does not notice.
        """
        before = self.driver.execute_script(IN_FRONT)

        def opened():
            if self.driver.execute_script(IN_FRONT) != before:
                return True
            cell = next(
                cell for cell in self.visible(
                    'td:not(.optional):not(.selection-state)', self.row(text))
                if cell.text and not self.visible('a, button', cell))
            ActionChains(self.driver).double_click(cell).perform()
            self.settle()
        self.until(opened, f"what is behind the row {text}")

    def select(self, text):
        "Tick the row that shows the text"
        self.settle()
        self.visible('td.selection-state', self.row(text))[0].click()
        self.settle()

    # Notifications

    def badge(self):
        "Wait for the number of notifications and return it"
        return self.until(
            lambda: self.visible('#user-preferences .notification-badge'),
            "the number of notifications")[0].text

    def notifications(self):
        "Open the menu of the user; return (label, description) of each"
        self.settle()
        self.see_anywhere('#user-preferences > a').click()
        self.settle()
        return list(zip(*(
                    [element.text for element in self.visible(
                            f'.notification-{part}')]
                    for part in ['label', 'description']), strict=True))

    def open_notification(self, label):
        "Click on a notification of the open menu"
        self.see_anywhere(f'.notification-label[title="{label}"]').click()
        self.settle()

    def see_anywhere(self, selector):
        "Wait for a visible element of the whole window and return it"
        return self.until(lambda: self.visible(selector), selector)[0]

    # Forms

    def enter(self, name, text):
        """Type into a field and leave it with the tabulator.

        The input of a number is another one as soon as it has the focus.
        """
        self.settle()
        self.editable(name).click()
        entry = self.driver.switch_to.active_element
        entry.send_keys(Keys.CONTROL, 'a')
        entry.send_keys(text, Keys.TAB)
        self.settle()

    def choose(self, name, value):
        "Select a value; the client keeps values as JSON"
        self.settle()
        entry = self.editable(name)
        Select(entry).select_by_value(json.dumps(value))
        entry.send_keys(Keys.TAB)
        self.settle()

    def pick(self, name, text):
        "Select a record by its name"
        self.settle()
        entry = self.editable(name)
        self.until(
            lambda: text in [option.text for option in Select(entry).options],
            f"{text} among the options of {name}")
        Select(entry).select_by_visible_text(text)
        entry.send_keys(Keys.TAB)
        self.settle()

    def complete(self, name, text):
        "Type a part of a name and take the first proposal"
        self.settle()
        entry = self.editable(name)
        entry.click()
        entry.send_keys(text)

        def take():
            # The proposals are made anew while the text grows
            proposals = self.visible('li.completion')
            return proposals and proposals[0].click() is None
        self.until(take, f"a proposal for {text}")
        self.settle()

    def create(self, name, text):
        "Type a name and create the record behind it, in a dialog"
        self.settle()
        count = len(self.visible('.modal-dialog'))
        self.editable(name).send_keys(text)
        self.until(
            lambda: self.visible('li.action-create'), "to create")[0].click()
        self.until(
            lambda: len(self.visible('.modal-dialog')) > count, "a dialog")
        self.settle()

    def add_row(self, name):
        "Press the button of a list of the form that adds a row"
        self.settle()
        self.until(
            lambda: self.driver.execute_script(NEW_ROW, name),
            f"the list {name}").click()
        self.settle()

    def shown(self, name):
        "Return the text that a selection shows"
        return Select(self.field(name)).first_selected_option.text

    def value(self, name):
        "Return what a field shows; of a selection its value"
        entry = self.field(name)
        value = entry.get_attribute('value')
        if entry.tag_name == 'select' and value:
            value = json.loads(value)
        return value

    def wait_value(self, name, value):
        "Wait until a field shows the value"
        self.until(
            lambda: self.value(name) == value, f"{name} to be {value!r}")

    # Buttons

    def press(self, name):
        "Press a button of the view"
        self.settle()
        self.see(f'button[name="{name}"]:not([disabled])').click()
        self.settle()

    def toolbar(self, name):
        "Press a button of the tab: new_, save, switch_, reload, ..."
        self.settle()
        self.see(f'.toolbar button#{name}').click()
        self.settle()

    def choose_action(self, name):
        "Choose an entry of the menu that a button of the tab opened"
        self.until(
            lambda: [a for a in self.visible('.dropdown-menu a')
                if a.text.startswith(name)], name)[0].click()
        self.settle()

    def save(self):
        self.toolbar('save')

    def messages(self):
        "Wait for the notices below the form in front, and return them"
        return self.until(
            lambda: [
                alert.text for alert in self.visible(
                    '.infobar .alert > span', self.scope())],
            "a notice")

    def dialog(self):
        "Wait for a dialog in front and return its text"
        def text():
            dialogs = self.visible('.modal-dialog')
            return dialogs and dialogs[-1].text
        return self.until(text, "a dialog")

    def answer(self, selector='.modal-footer .btn-primary'):
        "Press a button of the dialog in front and wait until it is gone"
        dialog = self.until(
            lambda: self.visible('.modal-dialog'), "a dialog")[-1]
        self.see(selector).click()
        WebDriverWait(self.driver, SECONDS).until(
            invisibility_of_element(dialog), "the dialog stays open")
        self.settle()

    # Evidence

    def picture(self, name, height=SIZE[1]):
        "Save what the window shows as a PNG"
        self._resize(height)
        self.settle()
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(self.pictures / f'{name}.png'))
        self._resize(SIZE[1])

    def _resize(self, height):
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
                'width': SIZE[0], 'height': height, 'deviceScaleFactor': 1,
                'mobile': False})

    def evidence(self, name):
        "Save window and console after a failure"
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(self.pictures / f'{name}.png'))
        (self.pictures / f'{name}.console.txt').write_text('\n'.join(
            f'{line["level"]} {line["message"]}'
            for line in self.driver.get_log('browser')), 'utf-8')
