import io
import json
import unittest

from toolbox import NOTES, app


class ToolboxTestCase(unittest.TestCase):
    def setUp(self):
        app.config["TESTING"] = True
        self.client = app.test_client()
        NOTES.clear()

    def post(self, path, **data):
        return self.client.post(path, json=data)

    def result(self, path, **data):
        response = self.post(path, **data)
        self.assertEqual(response.status_code, 200)
        return response.get_json()["result"]


class TestTools(ToolboxTestCase):
    def test_text(self):
        for tool, expected in [
            ("upper", "AB CD"),
            ("lower", "ab cd"),
            ("title", "Ab Cd"),
            ("reverse", "Dc bA"),
            ("words", ["Ab", "cD"]),
            ("lines", ["Ab cD"]),
            ("slug", "ab-cd"),
            ("count", 5),
        ]:
            self.assertEqual(self.result("/" + tool, text="Ab cD"), expected)

    def test_numbers(self):
        numbers = [3, 1, 2, 2]
        assert self.result("/sum", numbers=numbers) == 8
        assert self.result("/mean", numbers=numbers) == 2
        assert self.result("/median", numbers=numbers) == 2
        assert self.result("/max", numbers=numbers) == 3
        assert self.result("/min", numbers=numbers) == 1
        assert self.result("/sorted", numbers=numbers) == [1, 2, 2, 3]
        assert self.result("/unique", numbers=numbers) == [1, 2, 3]

    def test_calculate(self):
        assert self.result("/calculate/add", a=2, b=3) == 5
        assert self.result("/calculate/multiply", a=2, b=3) == 6
        assert self.post("/calculate/divide", a=1, b=1).status_code == 404

    def test_what_is_sent(self):
        assert self.client.post("/echo", json=[1, 2]).json == [1, 2]
        assert self.client.post("/keys", json={"b": 1, "a": 2}).json == ["a", "b"]
        assert self.client.post("/bytes", data=b"12345").json == {"result": 5}
        assert self.client.post("/text", data="plain").data == b"plain"
        sent = {"name": "ada", "age": 36}
        assert self.client.post("/form", data=sent).json == {"name": "ada", "age": "36"}
        assert self.client.post("/values?name=ada").json == {"name": "ada"}
        response = self.client.post(
            "/upper", data=json.dumps({"text": "x"}), content_type="application/json"
        )
        assert json.loads(response.data) == {"result": "X"}

    def test_errors(self):
        response = self.client.post("/upper", data="x")
        assert response.status_code == 400
        assert response.json == {"error": "send a JSON object", "at": "/upper"}
        assert self.post("/scale").status_code == 401
        assert self.client.get("/nowhere").get_json() == {"error": "Not Found"}
        assert self.client.get("/fail").status_code == 418
        self.assertIn("X-Took", self.client.get("/fail").headers)


class TestPages(ToolboxTestCase):
    def test_keys(self):
        key = {"X-Key": "let-me-in"}
        assert self.client.get("/me").status_code == 401
        assert self.client.get("/me", headers=key).json == {"user": "ada"}
        response = self.client.post("/scale", json={"numbers": [1, 2], "by": 3}, headers=key)
        assert response.json == {"result": [3, 6], "user": "ada"}
        assert response.headers["Cache-Control"] == "max-age=5"
        assert self.client.get("/double/4").json["result"] == 8

    def test_notes(self):
        created = self.post("/notes", text="first")
        assert created.status_code == 201
        assert created.headers["Location"] == "/notes/1"
        assert self.client.put("/notes/1", json={"text": "changed"}).json == {"text": "changed"}
        assert [note["text"] for note in self.client.get("/notes").json] == ["changed"]
        assert self.client.get("/notes.csv").data == b"id,text\n1,changed\n"
        assert self.client.delete("/notes/1").status_code == 204
        assert self.client.get("/notes/1").status_code == 404

    def test_streams(self):
        assert self.client.get("/numbers", query_string={"to": 2}).data == b"0\n1\n"
        assert self.client.get("/numbers", query_string="to=1").data == b"0\n"
        assert self.client.post("/stream", json=["a", 1]).json == ["a", 1]
        rows = self.client.post("/table", data="a,b\n1,2\n").json
        assert rows == [{"a": "1", "b": "2"}]

    def test_files(self):
        sent = {"file": (io.BytesIO(b"content"), "a.txt"), "note": "mine"}
        response = self.client.post("/files", data=sent, content_type="multipart/form-data")
        assert response.get_json() == {"name": "a.txt", "note": "mine"}
        with self.client.get("/files/a.txt") as response:
            assert response.data == b"content"
        assert self.client.get("/files/b.txt").status_code == 404
        assert self.client.get("/report").data == b"all is well\n"

    def test_the_rest(self):
        assert "/uuid" in self.client.get("/").json["tools"]
        assert self.client.get("/old", follow_redirects=True).json["uuid"]
        assert self.post("/greeting", name="<b>").get_data(as_text=True) == "Hello, &lt;b&gt;!"
        assert self.client.get("/cookie").json == {"seen": "no"}
        assert self.client.get("/cookie").json == {"seen": "yes"}
        assert self.client.get("/length").headers["X-Length"] == "2"
